//! The lists of special days that come with the program.

macro_rules! shipped {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/config/special-days/",
                $name,
                ".toml"
            )),
        )
    };
}

/// Each list's name and its text, a configuration file with that one list in it.
///
/// `special_days = ["norway"]` in a schedule means the list of that name in the configuration, or
/// else the one of this table. The texts are the files of `config/special-days/`.
pub const SHIPPED: &[(&str, &str)] = &[
    shipped!("norway"),
    shipped!("us-federal"),
    shipped!("united-kingdom"),
    shipped!("scotland"),
    shipped!("northern-ireland"),
    shipped!("germany"),
    shipped!("germany-baden-wuerttemberg"),
    shipped!("germany-bavaria"),
    shipped!("germany-berlin"),
    shipped!("germany-brandenburg"),
    shipped!("germany-bremen"),
    shipped!("germany-hamburg"),
    shipped!("germany-hesse"),
    shipped!("germany-lower-saxony"),
    shipped!("germany-mecklenburg-western-pomerania"),
    shipped!("germany-north-rhine-westphalia"),
    shipped!("germany-rhineland-palatinate"),
    shipped!("germany-saarland"),
    shipped!("germany-saxony"),
    shipped!("germany-saxony-anhalt"),
    shipped!("germany-schleswig-holstein"),
    shipped!("germany-thuringia"),
];
