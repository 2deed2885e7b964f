//! The parser's events made into trees: anchors, aliases, merge keys, duplicate keys, and the limits on all of them.
use super::{Entry, InputError, Located, Node, scalar};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag, options};
use std::collections::BTreeMap;

/// Deepest nesting of lists and mappings. Kubernetes' deepest documents, CRD schemas, stay below 60.
const DEPTH_MAX: usize = 100;
/// Nodes that aliases and merge keys may add to one file.
const ALIAS_NODES_MAX: usize = 100_000;

/// Reads every document of a YAML or JSON file. Empty documents are skipped; a `kind: List` stays one document.
///
/// # Errors
/// The first place that is not YAML, a key given twice, a key that is no text, nesting deeper than 100, an alias to
/// nothing or to what contains it, and aliases that would add more than 100,000 nodes.
pub fn parse(file: &str, text: &str) -> Result<Vec<Located>, InputError> {
    let mut builder = Builder::default();
    let options = options! { emit_comments: false };
    for next in Parser::new_from_str_with_options(text, options) {
        let step = match next {
            Ok((event, span)) => builder.take(event, &span),
            Err(error) => Err(Fault {
                line: error.marker().line(),
                column: error.marker().col() + 1,
                message: error.info(),
                help: None,
            }),
        };
        step.map_err(|fault| InputError {
            file: file.to_owned(),
            line: fault.line.max(1),
            column: fault.column,
            path: String::new(),
            message: fault.message,
            help: fault.help,
        })?;
    }
    Ok(builder.documents)
}

struct Fault {
    line: usize,
    column: usize,
    message: String,
    help: Option<String>,
}

impl Fault {
    fn new((line, column): (usize, usize), message: impl Into<String>) -> Self {
        Self { line, column, message: message.into(), help: None }
    }
}

/// A finished node with its size and depth, which the limits need.
#[derive(Clone)]
struct Built {
    located: Located,
    nodes: usize,
    depth: usize,
    /// A plain `<<`, which as a key means a merge.
    merge: bool,
}

/// A list or mapping whose end has not come yet.
struct Open {
    at: (usize, usize),
    anchor: usize,
    nodes: usize,
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Located>),
    Map { entries: Vec<Entry>, merged: Vec<Entry>, pending: Option<Key> },
}

enum Key {
    Named { key: String, at: (usize, usize) },
    Merge,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Located>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Built>,
    alias_nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Fault> {
        let at = (span.start.line(), span.start.col() + 1);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar_node(&text, style, tag.as_deref()).map_err(|text| Fault::new(at, text))?;
                let merge = style == ScalarStyle::Plain && tag.is_none() && text == "<<";
                let located = Located { value, line: at.0, column: at.1 };
                self.finish(Built { located, nodes: 1, depth: 0, merge }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.start(at, anchor, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.start(at, anchor, Content::Map { entries: Vec::new(), merged: Vec::new(), pending: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let built = self.alias(at, anchor)?;
                self.finish(built, 0)
            }
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            // The parser's enum is open: stream and document ends, and what is switched off.
            _ => Ok(()),
        }
    }

    fn start(&mut self, at: (usize, usize), anchor: usize, content: Content) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(at));
        }
        self.open.push(Open { at, anchor, nodes: 1, depth: 1, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::List(items) => Node::List(items),
            Content::Map { mut entries, merged, pending: _ } => {
                refuse_duplicates(&entries)?;
                add_merged(&mut entries, merged);
                Node::Map(entries)
            }
        };
        let located = Located { value, line: open.at.0, column: open.at.1 };
        let built = Built { located, nodes: open.nodes, depth: open.depth, merge: false };
        self.finish(built, open.anchor)
    }

    fn alias(&mut self, at: (usize, usize), anchor: usize) -> Result<Built, Fault> {
        let Some(built) = self.anchors.get(&anchor) else {
            return Err(Fault::new(at, "this alias stands inside the value that it names"));
        };
        self.alias_nodes += built.nodes;
        if self.alias_nodes > ALIAS_NODES_MAX {
            return Err(Fault::new(at, format!("aliases make this file larger by more than {ALIAS_NODES_MAX} values")));
        }
        Ok(built.clone())
    }

    /// Puts a finished node into what is open, or makes it a document.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), Fault> {
        let at = (built.located.line, built.located.column);
        if self.open.len() + built.depth > DEPTH_MAX {
            return Err(too_deep(at));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(open) = self.open.last_mut() else {
            if built.located.value != Node::Null {
                self.documents.push(built.located);
            }
            return Ok(());
        };
        open.nodes += built.nodes;
        open.depth = open.depth.max(built.depth + 1);
        match &mut open.content {
            Content::List(items) => items.push(built.located),
            Content::Map { entries, merged, pending } => match pending.take() {
                None if built.merge => *pending = Some(Key::Merge),
                None => {
                    let key = scalar::key_text(&built.located.value).map_err(|text| Fault::new(at, text))?;
                    *pending = Some(Key::Named { key, at });
                }
                Some(Key::Merge) => collect_merge(built.located, merged)?,
                Some(Key::Named { key, at }) => {
                    entries.push(Entry { key, line: at.0, column: at.1, value: built.located });
                }
            },
        }
        Ok(())
    }
}

fn too_deep(at: (usize, usize)) -> Fault {
    Fault::new(at, format!("nested deeper than {DEPTH_MAX} levels"))
}

fn scalar_node(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node, String> {
    if let Some(tag) = tag {
        if tag.original() == "!" {
            return Ok(Node::String(text.to_owned()));
        }
        if let Some(name) = tag.suffix_in_namespace("tag:yaml.org,2002:") {
            return scalar::resolve_tagged(&name, text);
        }
    }
    // A tag of someone's own says nothing to Kubernetes.
    match style {
        ScalarStyle::Plain => scalar::resolve_plain(text),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Literal | ScalarStyle::Folded => {
            Ok(Node::String(text.to_owned()))
        }
    }
}

/// Takes what stands behind `<<`: a mapping, or a list of mappings of which the earlier win.
fn collect_merge(located: Located, merged: &mut Vec<Entry>) -> Result<(), Fault> {
    let at = (located.line, located.column);
    let wrong = || Fault::new(at, "a merge key (<<) takes a mapping or a list of mappings");
    match located.value {
        Node::Map(entries) => merged.extend(entries),
        Node::List(items) => {
            for item in items {
                match item.value {
                    Node::Map(entries) => merged.extend(entries),
                    Node::Null
                    | Node::Bool(_)
                    | Node::Int(_)
                    | Node::UInt(_)
                    | Node::Float(_)
                    | Node::String(_)
                    | Node::List(_) => return Err(wrong()),
                }
            }
        }
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) | Node::String(_) => {
            return Err(wrong());
        }
    }
    Ok(())
}

/// Merged entries fill up: a key that the mapping has itself stays.
fn add_merged(entries: &mut Vec<Entry>, merged: Vec<Entry>) {
    if merged.is_empty() {
        return;
    }
    let mut known: std::collections::BTreeSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
    for entry in merged {
        if known.insert(entry.key.clone()) {
            entries.push(entry);
        }
    }
}

fn refuse_duplicates(entries: &[Entry]) -> Result<(), Fault> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    // Stable: of two equal keys the first in the file stays first.
    order.sort_by(|a, b| a.key.cmp(&b.key));
    let twice =
        order.windows(2).filter(|pair| pair[0].key == pair[1].key).min_by_key(|pair| (pair[1].line, pair[1].column));
    match twice {
        None => Ok(()),
        Some(pair) => Err(Fault {
            line: pair[1].line,
            column: pair[1].column,
            message: format!("key {:?} is already set in this mapping", pair[1].key),
            help: Some(format!("it was set first in line {}", pair[0].line)),
        }),
    }
}
