//! The jailed process for tests: `sandbox MEMORY`. A source that begins with `// deed: NAME` misbehaves first, in the
//! jail. `sandbox --deaf MEMORY` finds a kernel without seccomp.

mod deeds;

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == "--deaf").is_some() {
        let none = BTreeMap::from([(libc::SYS_seccomp, Vec::new())]);
        let unknown = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
        let filter = SeccompFilter::new(none, SeccompAction::Allow, unknown, std::env::consts::ARCH.try_into()?)?;
        apply_filter(&BpfProgram::try_from(filter)?)?;
    }
    let memory = arguments.next().ok_or("usage: sandbox [--deaf] MEMORY")?.parse()?;
    functions::sandbox_with(memory, |source| {
        if let Some(deed) = source.strip_prefix("// deed: ") {
            deeds::attempt(deed.lines().next().unwrap_or_default());
        }
    })?;
    Ok(())
}
