//! The thread in which a line is typed: reading a terminal blocks.

use std::sync::mpsc::{Receiver, Sender, channel};

use rustyline::error::ReadlineError;
use rustyline::history::{History as _, MemHistory};
use rustyline::{ColorMode, CompletionType, Config};
use session_api::grammar::is_blank;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::editor::Editor;
use crate::history::{History, MOST};
use crate::options::ShellError;
use crate::paint::{PROMPT, Paint};

#[derive(Debug)]
pub(crate) enum Typed {
    Line(String),
    /// Ctrl-C: the line is dropped.
    Cleared,
    /// Ctrl-D, or the terminal is gone.
    End,
    Failed(String),
    /// A line could not be remembered, for the first time.
    NotKept(String),
}

/// Asks for lines.
pub(crate) struct Prompt {
    /// A question; none: for the next line.
    ask: Sender<Option<String>>,
    typed: UnboundedReceiver<Typed>,
}

impl Prompt {
    /// Starts the thread. It ends when the prompt is dropped and no line is awaited.
    pub(crate) fn start(editor: Editor, history: Option<History>, earlier: &[String]) -> Result<Self, ShellError> {
        let wrong = |error: ReadlineError| ShellError::Read(error.to_string());
        let paint = editor.paint;
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .color_mode(if paint.on { ColorMode::Forced } else { ColorMode::Disabled })
            .max_history_size(MOST)
            .map_err(wrong)?
            .build();
        let mut past = MemHistory::with_config(&config);
        for line in earlier {
            past.add(line).map_err(wrong)?;
        }
        let mut reader = rustyline::Editor::with_history(config, past).map_err(wrong)?;
        reader.set_helper(Some(editor));
        let (ask, asked) = channel();
        let (sender, typed) = unbounded_channel();
        std::thread::Builder::new()
            .name("prompt".to_owned())
            .spawn(move || read(reader, history, paint, &asked, &sender))
            .map_err(|error| ShellError::Read(error.to_string()))?;
        Ok(Self { ask, typed })
    }

    /// Shows the prompt, or a question in its place. An answer to that is not remembered.
    pub(crate) fn ask(&self, question: Option<String>) {
        // Where the thread has ended, `typed` says so.
        let _ = self.ask.send(question);
    }

    pub(crate) async fn typed(&mut self) -> Typed {
        self.typed.recv().await.unwrap_or(Typed::Failed("the reading thread ended".to_owned()))
    }
}

fn read(
    mut reader: rustyline::Editor<Editor, MemHistory>,
    mut history: Option<History>,
    paint: Paint,
    asked: &Receiver<Option<String>>,
    sender: &UnboundedSender<Typed>,
) {
    let prompt = ("> ", paint.paint(PROMPT, "> "));
    while let Ok(question) = asked.recv() {
        let read = match &question {
            Some(question) => reader.readline(question),
            None => reader.readline(&prompt),
        };
        let typed = match read {
            Ok(line) => {
                if !is_blank(&line) && question.is_none() {
                    if let Err(error) = reader.add_history_entry(line.as_str()) {
                        let _ = sender.send(Typed::NotKept(error.to_string()));
                    }
                    if let Some(Err(error)) = history.as_mut().map(|history| history.add(&line)) {
                        history = None;
                        let _ = sender.send(Typed::NotKept(error.to_string()));
                    }
                }
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) => Typed::Cleared,
            Err(ReadlineError::Eof) => Typed::End,
            Err(error) => Typed::Failed(error.to_string()),
        };
        if sender.send(typed).is_err() {
            return;
        }
    }
}
