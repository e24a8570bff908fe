//! The example shop, carried in the binary: what README walks through and what the demo shows.

use std::path::Path;

use super::failure::Failure;

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)))
    };
}

/// Each file's path in the project, and its text.
const FILES: &[(&str, &str)] = &[
    file!("manifests/billing.yaml"),
    file!("manifests/catalog.yaml"),
    file!("manifests/orders.yaml"),
    file!("manifests/read_models/daily_sales.sql"),
    file!("manifests/recommendations.yaml"),
    file!("manifests/shipping.yaml"),
    file!("manifests/support.yaml"),
    file!("manifests/users.yaml"),
    file!("migrations/billing/V1__invoices.sql"),
    file!("migrations/billing/V2__contracts.sql"),
    file!("migrations/billing/V3__example_data.sql"),
    file!("migrations/catalog/V1__products.sql"),
    file!("migrations/catalog/V2__contracts.sql"),
    file!("migrations/catalog/V3__example_data.sql"),
    file!("migrations/orders/V1__orders.sql"),
    file!("migrations/orders/V2__contracts.sql"),
    file!("migrations/orders/V3__example_data.sql"),
    file!("migrations/recommendations/V1__affinity.sql"),
    file!("migrations/recommendations/V2__training.sql"),
    file!("migrations/recommendations/V3__example_data.sql"),
    file!("migrations/shipping/V1__shipments.sql"),
    file!("migrations/shipping/V2__contracts.sql"),
    file!("migrations/shipping/V3__example_data.sql"),
    file!("migrations/support/V1__tickets.sql"),
    file!("migrations/support/V2__cancelling.sql"),
    file!("migrations/support/V3__example_data.sql"),
    file!("migrations/users/V1__accounts.sql"),
    file!("migrations/users/V2__contracts.sql"),
    file!("migrations/users/V3__example_data.sql"),
    file!("pgcleave.yaml"),
];

/// Writes the shop's manifests and migrations into a folder.
pub(crate) fn write(folder: &Path) -> Result<(), Failure> {
    for (path, text) in FILES {
        let path = folder.join(path);
        let parent = path.parent().expect("each file lies in the folder");
        std::fs::create_dir_all(parent).map_err(|error| Failure::file("create", parent, &error))?;
        std::fs::write(&path, text).map_err(|error| Failure::file("write", &path, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn files(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_file_of_the_shop_is_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = BTreeSet::from([root.join("pgcleave.yaml")]);
        files(&root.join("manifests"), &mut found);
        files(&root.join("migrations"), &mut found);
        found.retain(|path| !path.starts_with(root.join("migrations/pgcleave")));
        let carried: BTreeSet<PathBuf> = FILES.iter().map(|(path, _)| root.join(path)).collect();
        assert_eq!(carried, found);
    }
}
