//! Paths as people read them.

use std::path::{Component, Path, PathBuf};

/// Gives a path as a person would type it, without `folder/..`; only for showing, since a link could lead elsewhere.
#[must_use]
pub fn shown(path: &Path) -> PathBuf {
    let mut shown = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if matches!(shown.components().next_back(), Some(Component::Normal(_))) => {
                shown.pop();
            }
            Component::CurDir => {}
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_without_detours() {
        for (path, expected) in [
            ("manifests/../migrations/a", "migrations/a"),
            ("../x/./y", "../x/y"),
            ("../../x", "../../x"),
            ("/a/../b", "/b"),
        ] {
            assert_eq!(shown(Path::new(path)), Path::new(expected));
        }
    }
}
