//! Shared objects that a library needs beside it.

/// What `LD_LIBRARY_PATH` is without the folder of a service that its backend put first, for the service to find: none,
/// where nothing is left. None where the backend did not.
pub fn without_folder(paths: &str, folder: &str) -> Option<Option<String>> {
    let rest = paths.strip_prefix(folder)?;
    match rest.strip_prefix(':') {
        Some(own) => Some(Some(own.to_owned())),
        None => rest.is_empty().then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_finds_the_path_that_its_user_gave() {
        let (gone, kept) = (Some(None), Some(Some("/own:/more".to_owned())));
        assert_eq!(without_folder("/dyninka", "/dyninka"), gone);
        assert_eq!(without_folder("/dyninka:/own:/more", "/dyninka"), kept);
        assert_eq!(without_folder("/dyninka2", "/dyninka"), None);
        assert_eq!(without_folder("/own", "/dyninka"), None);
    }
}
