//! How things look: tones to styles, and the glyphs of a terminal that may know only ASCII.

use ratatui::style::{Color, Modifier, Style};
use session_api::snapshot::Condition;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Whether there is colour. Without it modifiers, glyphs and words carry all meaning.
    pub colour: bool,
    /// Whether every glyph of ours is ASCII.
    pub ascii: bool,
}

/// What a piece of text says by its looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// Not what is looked for first.
    Dim,
    /// What is looked for first.
    Strong,
    /// It serves.
    Good,
    /// It is under way.
    Busy,
    /// It is broken.
    Bad,
    /// Here the keys go.
    Accent,
    /// The user's function.
    Function,
    /// Waiting for upstream services.
    Upstream,
    /// On the wire.
    Network,
    /// Our own work.
    Overhead,
}

impl Theme {
    /// The style of a tone. Without colour both colours stay at their resets, so that no colour is ever written.
    pub(crate) fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        let coloured = |colour| if self.colour { style.fg(colour) } else { style };
        match tone {
            Tone::Plain => style,
            Tone::Dim => style.add_modifier(Modifier::DIM),
            Tone::Strong => style.add_modifier(Modifier::BOLD),
            Tone::Good => coloured(Color::Green),
            Tone::Busy => coloured(Color::Yellow),
            Tone::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Accent => coloured(Color::Cyan).add_modifier(Modifier::BOLD),
            Tone::Function => coloured(Color::Green),
            Tone::Upstream => coloured(Color::Blue),
            Tone::Network => coloured(Color::Magenta),
            Tone::Overhead => coloured(Color::Yellow),
        }
    }

    /// The row that is chosen.
    pub(crate) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(crate) fn glyphs(self) -> &'static Glyphs {
        if self.ascii { &ASCII } else { &UNICODE }
    }

    /// How a condition looks: glyph, word and tone.
    pub(crate) fn condition(self, condition: Condition) -> (&'static str, &'static str, Tone) {
        let glyphs = self.glyphs();
        match condition {
            Condition::Starting => (glyphs.starting, "starting", Tone::Busy),
            Condition::Live => (glyphs.live, "live", Tone::Good),
            Condition::Building => (glyphs.building, "building", Tone::Busy),
            Condition::Stale => (glyphs.stale, "stale", Tone::Bad),
            Condition::Draining => (glyphs.draining, "draining", Tone::Busy),
            Condition::Down => (glyphs.down, "down", Tone::Bad),
        }
    }
}

/// Every glyph that is not a letter, a digit or ASCII punctuation.
#[derive(Debug)]
pub(crate) struct Glyphs {
    pub(crate) starting: &'static str,
    pub(crate) live: &'static str,
    pub(crate) building: &'static str,
    pub(crate) stale: &'static str,
    pub(crate) draining: &'static str,
    pub(crate) down: &'static str,
    /// Something that was cut.
    pub(crate) cut: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) wall: &'static str,
    /// Between two words of equal weight.
    pub(crate) dot: &'static str,
    pub(crate) at_most: &'static str,
    pub(crate) micro: &'static str,
    pub(crate) marker: &'static str,
    /// Function, upstream, network, overhead.
    pub(crate) split: [&'static str; 4],
    /// From nothing to all.
    pub(crate) levels: [&'static str; 9],
    pub(crate) bar: &'static str,
    pub(crate) faint: &'static str,
    /// A hop that crosses no process.
    pub(crate) within: &'static str,
    pub(crate) lanes: Lanes,
}

/// The gutter of the graph: each glyph by where its lines go.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) begin: &'static str,
    pub(crate) pass: &'static str,
    pub(crate) through: &'static str,
    pub(crate) end: &'static str,
    pub(crate) join: &'static str,
    pub(crate) join_on: &'static str,
    pub(crate) turn: &'static str,
    pub(crate) across: &'static str,
}

static UNICODE: Glyphs = Glyphs {
    starting: "○",
    live: "●",
    building: "◐",
    stale: "◑",
    draining: "◌",
    down: "✗",
    cut: "…",
    rule: "─",
    wall: "│",
    dot: "·",
    at_most: "≤",
    micro: "µs",
    marker: "▸",
    split: ["█", "▒", "░", "·"],
    levels: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    bar: "█",
    faint: "░",
    within: "≡",
    lanes: Lanes {
        begin: "╭", pass: "│", through: "├", end: "╰", join: "┴", join_on: "┼", turn: "┬", across: "─"
    },
};

static ASCII: Glyphs = Glyphs {
    starting: "o",
    live: "*",
    building: "%",
    stale: "!",
    draining: "~",
    down: "x",
    cut: "~",
    rule: "-",
    wall: "|",
    dot: "-",
    at_most: "<=",
    micro: "us",
    marker: ">",
    split: ["#", "=", "~", "."],
    levels: [" ", ".", ".", ":", "-", "=", "+", "*", "#"],
    bar: "#",
    faint: ".",
    within: "=",
    lanes: Lanes { begin: ".", pass: "|", through: "|", end: "'", join: "'", join_on: "+", turn: ".", across: "-" },
};
