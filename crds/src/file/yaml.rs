//! From text to documents, on the events of granit-parser: values with the place of every part.
//!
//! Every limit is on what the text becomes, not on how it is written: a text may repeat itself by anchors and merge
//! keys within a budget, and nothing is copied before the budget has paid for it.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Value};

use super::problem::{ALIAS_WEIGHT_MAX, DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX, YamlError, YamlProblem};
use super::scalar;
use super::spot::{Document, Members, Spot};

/// Reads all documents of a file; those that hold nothing are left out.
///
/// # Errors
/// The first thing that is wrong. Nothing of such a file may be used: it may be half-written, and what is missing of
/// it may be what takes rights away.
pub fn parse(bytes: &[u8]) -> Result<Vec<Document>, YamlError> {
    let at_start = |problem| YamlError { line: 1, column: 1, field: String::new(), problem };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(at_start(YamlProblem::TooLarge(bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        YamlError { line: narrow(line), column: narrow(column), ..at_start(YamlProblem::NotUtf8) }
    })?;
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options()) {
        let (event, span) = event.map_err(|error| syntax(&error, builder.path()))?;
        let (line, column) = position(&span);
        if let Err(problem) = builder.accept(event, line, column) {
            let about_tag = matches!(problem, YamlProblem::Tag(_) | YamlProblem::NotOfTag(..));
            let tag = span.tag_start().filter(|_| about_tag);
            let (line, column) =
                tag.map_or((line, column), |tag| (narrow(tag.line()), narrow(tag.col() + 1)));
            return Err(YamlError { line, column, field: builder.path(), problem });
        }
    }
    Ok(builder.documents)
}

fn options() -> Options {
    granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
        // As kubectl's reader does.
        block_scalar_eof_without_line_feed: true,
    }
}

fn syntax(error: &ScanError, field: String) -> YamlError {
    let marker = error.marker();
    let problem = YamlProblem::Syntax(error.info());
    YamlError { line: narrow(marker.line()), column: narrow(marker.col() + 1), field, problem }
}

fn position(span: &Span) -> (u32, u32) {
    (narrow(span.start.line()), narrow(span.start.col() + 1))
}

/// No file is long enough for this to lose anything.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A finished value.
#[derive(Clone)]
struct Node {
    value: Value,
    spot: Spot,
    /// Values in it, itself included, and bytes of their text.
    weight: usize,
    /// Values in it, itself included.
    nodes: usize,
    /// Levels of lists and maps.
    depth: usize,
}

/// A list or map that is not finished.
struct Frame {
    line: u32,
    column: u32,
    anchor: usize,
    weight: usize,
    nodes: usize,
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>, Vec<Spot>),
    Map(Box<OpenMap>),
}

#[derive(Default)]
struct OpenMap {
    fields: Map<String, Value>,
    spots: Members,
    /// The key whose value comes next, and where it stands.
    key: Option<(String, u32, u32)>,
    /// Whether that key is `<<`.
    merging: bool,
    merges: Vec<(Value, Spot)>,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Document>,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    alias_weight: usize,
}

impl Builder {
    fn accept(&mut self, event: Event<'_>, line: u32, column: u32) -> Result<(), YamlProblem> {
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                let merge_key = self.awaits_key() && style == ScalarStyle::Plain && text == "<<";
                let value = scalar_value(text, style, tag.as_deref())?;
                let weight = 1 + value.as_str().map_or(0, str::len);
                let spot = Spot::scalar(line, column);
                self.count(1)?;
                self.finish(Node { value, spot, weight, nodes: 1, depth: 0 }, anchor, merge_key)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                only_tag(tag.as_deref(), "seq")?;
                self.open(Content::List(Vec::new(), Vec::new()), anchor, line, column)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                only_tag(tag.as_deref(), "map")?;
                self.open(Content::Map(Box::default()), anchor, line, column)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => self.alias(anchor, line, column)?,
            _ => {}
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { content: Content::Map(map), .. }) if map.key.is_none())
    }

    fn open(&mut self, content: Content, anchor: usize, line: u32, column: u32) -> Result<(), YamlProblem> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(YamlProblem::TooDeep);
        }
        if self.awaits_key() {
            return Err(YamlProblem::KeyNotText);
        }
        self.count(1)?;
        self.frames.push(Frame { line, column, anchor, weight: 1, nodes: 1, depth: 1, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlProblem> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let (value, spot) = match frame.content {
            Content::List(items, spots) => (Value::Array(items), Spot::list(frame.line, frame.column, spots)),
            Content::Map(map) => {
                let (fields, spots) = map.merged();
                (Value::Object(fields), Spot::map(frame.line, frame.column, spots))
            }
        };
        let (weight, nodes, depth) = (frame.weight, frame.nodes, frame.depth);
        self.finish(Node { value, spot, weight, nodes, depth }, frame.anchor, false)
    }

    /// Pays for a copy before it is made.
    fn alias(&mut self, anchor: usize, line: u32, column: u32) -> Result<(), YamlProblem> {
        // An anchor is known once its value is finished, so one that is not known is around this alias.
        let node = self.anchors.get(&anchor).ok_or(YamlProblem::EndlessAlias)?;
        let (weight, nodes, depth) = (node.weight, node.nodes, node.depth);
        self.repeat(weight)?;
        self.count(nodes)?;
        if self.frames.len() + depth > DEPTH_MAX {
            return Err(YamlProblem::TooDeep);
        }
        let mut node = self.anchors.get(&anchor).ok_or(YamlProblem::EndlessAlias)?.clone();
        node.spot = node.spot.moved_to(line, column);
        self.finish(node, 0, false)
    }

    fn repeat(&mut self, weight: usize) -> Result<(), YamlProblem> {
        self.alias_weight = self.alias_weight.saturating_add(weight);
        if self.alias_weight > ALIAS_WEIGHT_MAX { Err(YamlProblem::TooManyAliases) } else { Ok(()) }
    }

    fn count(&mut self, nodes: usize) -> Result<(), YamlProblem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX { Err(YamlProblem::TooManyNodes) } else { Ok(()) }
    }

    /// Where in the document the next value belongs, as the API server writes paths.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            match &frame.content {
                Content::List(items, _) => path.push_str(&format!("[{}]", items.len())),
                Content::Map(map) => {
                    if let Some((key, ..)) = &map.key {
                        path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    }
                }
            }
        }
        path
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, merge_key: bool) -> Result<(), YamlProblem> {
        if anchor > 0 {
            // The copy that later aliases are made of is a repetition, too.
            self.repeat(node.weight)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.frames.last_mut() else {
            if !node.value.is_null() {
                self.documents.push(Document { value: node.value, spot: node.spot });
            }
            return Ok(());
        };
        frame.weight = frame.weight.saturating_add(node.weight);
        frame.nodes += node.nodes;
        frame.depth = frame.depth.max(node.depth + 1);
        match &mut frame.content {
            Content::List(items, spots) => {
                items.push(node.value);
                spots.push(node.spot);
                Ok(())
            }
            Content::Map(map) => map.accept(node, merge_key),
        }
    }
}

impl OpenMap {
    fn accept(&mut self, node: Node, merge_key: bool) -> Result<(), YamlProblem> {
        let Some((key, line, column)) = self.key.take() else {
            let key = scalar::key(&node.value).ok_or(YamlProblem::KeyNotText)?;
            let twice = if merge_key { !self.merges.is_empty() } else { self.fields.contains_key(&key) };
            if twice {
                return Err(YamlProblem::DuplicateKey(key));
            }
            self.key = Some((key, node.spot.line, node.spot.column));
            self.merging = merge_key;
            return Ok(());
        };
        if !std::mem::take(&mut self.merging) {
            // Key and value are one place to people, and the key is where it begins.
            self.spots.push((key.as_str().into(), node.spot.moved_to(line, column)));
            self.fields.insert(key, node.value);
            return Ok(());
        }
        match node.value {
            Value::Object(_) => self.merges.push((node.value, node.spot)),
            Value::Array(maps) if maps.iter().all(Value::is_object) => {
                self.merges.extend(maps.into_iter().zip(node.spot.into_items()));
            }
            _ => return Err(YamlProblem::MergeNotMap),
        }
        let merged = self.merges.iter().filter_map(|(map, _)| map.as_object()).flatten();
        match merged.map(|(key, _)| key).find(|key| self.fields.contains_key(*key)) {
            Some(key) => Err(YamlProblem::MergeBehindKey(key.clone())),
            None => Ok(()),
        }
    }

    /// What is written in the map wins over what is merged, and the first merged over the next.
    fn merged(mut self) -> (Map<String, Value>, Members) {
        for (value, spot) in std::mem::take(&mut self.merges) {
            let Value::Object(fields) = value else { continue };
            let spots: HashMap<_, _> = spot.into_members().into_iter().collect();
            for (key, value) in fields {
                if !self.fields.contains_key(&key) {
                    let spot = spots.get(key.as_str()).cloned().unwrap_or_default();
                    self.spots.push((key.as_str().into(), spot));
                    self.fields.insert(key, value);
                }
            }
        }
        (self.fields, self.spots)
    }
}

/// A list or map may carry only the tag that it has anyway.
fn only_tag(tag: Option<&Tag>, own: &str) -> Result<(), YamlProblem> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(own) => Err(YamlProblem::Tag(tag.original())),
        _ => Ok(()),
    }
}

fn scalar_value(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, YamlProblem> {
    let Some(tag) = tag else {
        if style != ScalarStyle::Plain {
            return Ok(Value::String(text.into_owned()));
        }
        return scalar::plain(&text).ok_or_else(|| YamlProblem::NotFinite(text.into_owned()));
    };
    let value = scalar::plain(&text).ok_or_else(|| YamlProblem::NotFinite(text.clone().into_owned()))?;
    let fits = match tag.core_suffix() {
        Some("str") => return Ok(Value::String(text.into_owned())),
        Some("int") => value.is_i64() || value.is_u64(),
        Some("float") => value.is_number(),
        Some("bool") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => return Err(YamlProblem::Tag(tag.original())),
    };
    if fits { Ok(value) } else { Err(YamlProblem::NotOfTag(text.into_owned(), tag.original())) }
}
