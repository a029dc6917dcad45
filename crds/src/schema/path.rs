//! A place in an object. It lives on the stack of the walk that is there, and becomes text only for a fault.

use std::fmt;

/// A place: a step from the place around it.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    around: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The object itself.
    pub(super) const ROOT: Path<'static> = Path { around: None, step: Step::Root };

    /// A field of the object that is here.
    pub(super) fn field<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path { around: Some(self), step: Step::Field(name) }
    }

    /// An item of the list that is here.
    pub(super) fn index<'b>(&'b self, index: usize) -> Path<'b> {
        Path { around: Some(self), step: Step::Index(index) }
    }

    /// Whether this is the object itself.
    pub(super) fn is_root(&self) -> bool {
        self.around.is_none()
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(around) = self.around else { return Ok(()) };
        around.fmt(f)?;
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if around.is_root() => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}
