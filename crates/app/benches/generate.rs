//! A large app that nobody wrote: a chain of services, each with types, helpers and constants of its own and a few
//! that several share. Same numbers, same text.

use std::fmt::Write;

/// An app of this many services and at least this many lines.
#[must_use]
pub fn program(services: usize, lines: usize) -> String {
    let mut text = String::from("use dyninka::prelude::*;\nuse std::collections::BTreeMap;\n\n");
    for shared in 0..services.div_ceil(10) {
        let _ = writeln!(
            text,
            "/// What ten services know.\npub const LIMIT_{shared}: f64 = {shared}.5;\n\npub fn shared_{shared}(x: f64) -> f64 {{\n    x.min(LIMIT_{shared})\n}}\n"
        );
    }
    for number in 0..services {
        service(&mut text, number);
    }
    text.push_str("#[dyninka::main]\nfn main() {\n    service_0()");
    for number in 1..services {
        let _ = write!(text, "\n        .service_{number}()");
    }
    text.push_str("\n}\n");
    // Helpers that call each other fill up what is missing, spread over the services.
    let mut helper = 0;
    let mut have = text.lines().count();
    while have < lines {
        let (service, next) = (helper % services, helper / services + 1);
        let _ = writeln!(
            text,
            "\n/// Step {next} of service {service}.\nfn helper_{service}_{next}(value: Reading{service}) -> Reading{service} {{\n    let mut known: BTreeMap<u32, f64> = BTreeMap::new();\n    for step in 0..{next} {{\n        known.insert(step, shared_{}(value.value * f64::from(step)));\n    }}\n    let value = Reading{service} {{ value: known.values().sum::<f64>(), ..value }};\n    println!(\"{{}} of {{}}\", value.value, LIMIT_{});\n    value\n}}",
            service / 10,
            service / 10
        );
        have += 11;
        helper += 1;
    }
    text
}

fn service(text: &mut String, number: usize) {
    let shared = number / 10;
    let input = if number == 0 { String::new() } else { format!("input: Reading{}", number - 1) };
    let value = if number == 0 { "1.0" } else { "input.value" };
    let _ = writeln!(
        text,
        "#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reading{number} {{
    pub sensor: String,
    pub value: f64,
    pub labels: Vec<String>,
}}

impl Reading{number} {{
    /// Above its limit.
    fn is_high(&self) -> bool {{
        self.value > LIMIT_{shared}
    }}
}}

#[placed(service_{number})]
static SEEN_{number}: Placed<BTreeMap<String, Reading{number}>> = Placed::new(BTreeMap::new);

/// Step {number}.
#[service]
pub async fn service_{number}({input}) -> Result<Reading{number}> {{
    let value = shared_{shared}({value});
    let reading = Reading{number} {{ sensor: format!(\"sensor {number} {{value:.2}}\"), value, labels: vec![] }};
    SEEN_{number}.update(|seen| {{
        if reading.is_high() {{
            seen.insert(reading.sensor.clone(), reading.clone());
        }}
    }});
    Ok(reading)
}}
"
    );
}
