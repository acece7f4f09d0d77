//! Programs of the user's that have the terminal for a while: the editor and the pager.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Opens a place in the user's editor and waits for its end; why it failed, in words.
pub(crate) async fn edit(file: &Path, line: usize, column: usize) -> Result<(), String> {
    let editor = chosen(&["VISUAL", "EDITOR"], "vi");
    let arguments = place(&editor, file, line, column);
    finish(&editor, shell(&editor, &arguments).status().await)
}

/// Shows files in the user's pager, else these lines, and waits for its end; why it failed, in words.
pub(crate) async fn page(files: &[impl AsRef<Path>], lines: String) -> Result<(), String> {
    let pager = chosen(&["PAGER"], "less");
    let files: Vec<OsString> = files.iter().map(|file| file.as_ref().as_os_str().to_owned()).collect();
    if !files.is_empty() {
        return finish(&pager, shell(&pager, &files).status().await);
    }
    let piped = async {
        let mut child = shell(&pager, &[]).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A pager that is left early reads no further, which is its user's right.
            match stdin.write_all(lines.as_bytes()).await {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        child.wait().await
    };
    finish(&pager, piped.await)
}

/// The first variable that is set to something.
fn chosen(variables: &[&str], else_this: &str) -> OsString {
    let set = variables.iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    set.unwrap_or_else(|| else_this.into())
}

/// A command as the user wrote it, perhaps with arguments of its own: the shell takes it apart, as git does.
fn shell(command: &OsStr, arguments: &[OsString]) -> Command {
    let mut script = command.to_owned();
    script.push(" \"$@\"");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg("sh").args(arguments).kill_on_drop(true);
    shell
}

/// The arguments that bring an editor to a place, in the tongue it speaks.
fn place(editor: &OsStr, file: &Path, line: usize, column: usize) -> Vec<OsString> {
    let editor = editor.to_string_lossy();
    let name = editor.split_whitespace().next().unwrap_or_default();
    let name = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
    let joined = || {
        let mut joined = file.as_os_str().to_owned();
        joined.push(format!(":{line}:{column}"));
        joined
    };
    let plus = |position: String| vec![position.into(), file.into()];
    match &*name {
        "code" | "code-insiders" | "codium" | "cursor" => vec!["--goto".into(), joined()],
        "hx" | "helix" | "zed" | "subl" => vec![joined()],
        "nano" => plus(format!("+{line},{column}")),
        "emacs" | "emacsclient" | "kak" | "micro" => plus(format!("+{line}:{column}")),
        "vi" | "vim" | "nvim" | "gvim" | "ex" | "joe" | "mg" => plus(format!("+{line}")),
        // An editor nobody told us of may take anything else for a file's name.
        _ => vec![file.into()],
    }
}

fn finish(program: &OsStr, ended: io::Result<std::process::ExitStatus>) -> Result<(), String> {
    let program = program.to_string_lossy();
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program}: {status}")),
        Err(error) => Err(format!("cannot run {program}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_editor_is_told_the_place_in_its_own_tongue() {
        let told = |editor: &str| {
            let words = place(editor.as_ref(), Path::new("a b.rs"), 5, 9);
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join("|")
        };
        assert_eq!(told("/usr/bin/nvim -u NONE"), "+5|a b.rs");
        assert_eq!(told("code --wait"), "--goto|a b.rs:5:9");
        assert_eq!(told("hx"), "a b.rs:5:9");
        assert_eq!(told("nano"), "+5,9|a b.rs");
        assert_eq!(told("some-editor"), "a b.rs");
    }

    #[tokio::test]
    async fn a_program_is_run_with_its_own_arguments_and_ours() {
        let status = shell("test 'a b' =".as_ref(), &["a b".into()]).status().await;
        assert_eq!(finish("test".as_ref(), status), Ok(()));
        let status = shell("exit 3;".as_ref(), &[]).status().await;
        assert_eq!(finish("x".as_ref(), status), Err("x: exit status: 3".into()));
    }
}
