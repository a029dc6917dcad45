//! What can be wrong with a text, and how much of it is too much.

/// Most bytes of one file.
pub const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Deepest nesting of lists and maps, after aliases are replaced by what they mean.
pub(super) const DEPTH_MAX: usize = 64;
/// Most values of one file, after aliases are replaced.
pub(super) const NODES_MAX: usize = 1_000_000;
/// Most values, plus bytes of text, that the aliases of one file may repeat.
pub(super) const ALIAS_WEIGHT_MAX: usize = 1_000_000;

/// Why a text is no YAML that Moat reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlProblem {
    /// Longer than [`FILE_BYTES_MAX`].
    #[error(
        "the file has {0} bytes, more than the {FILE_BYTES_MAX} of one file: split it into several files"
    )]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("the file is not UTF-8: save it in that encoding")]
    NotUtf8,
    /// Not YAML.
    #[error("not YAML: {0}")]
    Syntax(String),
    /// Nested too deep.
    #[error("lists and maps are nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// Too many values.
    #[error("more than {NODES_MAX} values: split the file into several")]
    TooManyNodes,
    /// Aliases repeat too much.
    #[error("aliases repeat more than {ALIAS_WEIGHT_MAX} values and bytes of text: write out what is meant")]
    TooManyAliases,
    /// An alias inside what it stands for.
    #[error("the alias stands inside what it stands for")]
    EndlessAlias,
    /// A key is there twice.
    #[error("the key {0:?} is there twice: keep one")]
    DuplicateKey(String),
    /// A key is not text.
    #[error("a key must be text: put it in quotes")]
    KeyNotText,
    /// `<<` with something that cannot be merged.
    #[error("'<<' needs a map, or a list of maps, to merge")]
    MergeNotMap,
    /// `<<` with a key that is written before it: YAML says that the written one counts, and kubectl takes the other.
    #[error("the key {0:?} stands before a '<<' that has it too, which is read in two ways: put '<<' first")]
    MergeBehindKey(String),
    /// A tag that means nothing here.
    #[error("the tag {0} means nothing here: remove it")]
    Tag(String),
    /// A scalar is not of its tag's type.
    #[error("{0:?} is not what its tag {1} says")]
    NotOfTag(String, String),
    /// A number that JSON does not have.
    #[error("{0} is no number that a field can hold")]
    NotFinite(String),
}

impl YamlProblem {
    /// The stable word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "FileTooLarge",
            Self::NotUtf8 => "NotUtf8",
            Self::Syntax(_) => "Syntax",
            Self::TooDeep => "TooDeep",
            Self::TooManyNodes => "TooManyValues",
            Self::TooManyAliases => "TooManyAliases",
            Self::EndlessAlias => "EndlessAlias",
            Self::DuplicateKey(_) => "DuplicateKey",
            Self::KeyNotText => "KeyNotText",
            Self::MergeNotMap => "MergeNotMap",
            Self::MergeBehindKey(_) => "MergeBehindKey",
            Self::Tag(_) | Self::NotOfTag(..) => "Tag",
            Self::NotFinite(_) => "NotFinite",
        }
    }
}

/// A problem and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The field in which it is; empty where there is none.
    pub field: String,
    /// What.
    pub problem: YamlProblem,
}
