//! Files of YAML: the same kinds as in Kubernetes, and `Secret` and `ConfigMap`, several documents per file.
//!
//! [`read`] makes one file's text into resources, each judged by its kind's own schema and rules ([`crate::schema`]);
//! [`assemble`] puts files together and finds what is there twice. Every finding names file, line, column, resource,
//! field and reason. Text is read as `kubectl` reads it (YAML 1.1's `yes` and `on` are truth values, `017` is octal),
//! but a key that is there twice is refused, and so is text that unfolds into more than it is. No I/O.

mod assemble;
mod core;
mod finding;
mod load;
mod problem;
mod scalar;
mod spot;
mod yaml;

pub use assemble::{Assembly, assemble};
pub use finding::{Finding, Place, Severity};
pub use load::{Entry, Outcome, Reading, read};
pub use problem::{FILE_BYTES_MAX, YamlError, YamlProblem};
pub use yaml::parse;

pub use spot::{Document, Spot};

#[cfg(test)]
mod tests;
