//! Suggestions for a name that is not known.

/// The name that was likely meant. A third of the letters may be wrong: `filtre` is filter and `mpa` is map, `x` is
/// nothing.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let far = (wrong.chars().count() / 3).max(1);
    let near = names.into_iter().map(|name| (strsim::osa_distance(wrong, name), name));
    near.filter(|(distance, name)| *distance <= far && *distance < name.chars().count()).min().map(|(_, name)| name)
}

/// `did you mean map?`, or else every name there is: `services: get, map`.
pub fn suggest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>, kind: &str) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match nearest(wrong, names.iter().copied()) {
        Some(name) => format!("did you mean {name}?"),
        None if names.is_empty() => format!("there are no {kind}"),
        None => format!("{kind}: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_suggested_when_it_is_near_and_all_of_them_when_none_is() {
        let suggested = |wrong| suggest(wrong, ["get", "filter", "map"], "services");
        assert_eq!(suggested("mpa"), "did you mean map?");
        assert_eq!(suggested("mapp"), "did you mean map?");
        assert_eq!(suggested("filtre"), "did you mean filter?");
        assert_eq!(suggested("x"), "services: get, filter, map");
        assert_eq!(suggest("map", [], "services"), "there are no services");
    }
}
