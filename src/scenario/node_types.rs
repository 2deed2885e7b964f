//! Named machine types: in place, or in a file of their own that several scenarios share.

use std::path::Path;

use super::file::{NodeTypeEntry, NodeTypeFile, NodeTypesInFile};
use super::manifests::{Gathering, ReadPath, files};
use super::nodes::{NodeType, Shape};
use crate::api::located::{InputError, InputErrors, Located, Node, Place, parse, suggestion};
use crate::api::text;

/// The machine types of a file, or of the files of a folder: lists of what scenarios have under `nodeTypes`.
///
/// # Errors
/// Every mistake that could be found, each at its place; files without any type.
pub fn node_types(path: &Path, read: &ReadPath<'_>) -> Result<Vec<NodeType>, InputErrors> {
    let whole = |message: String| {
        let file = path.display().to_string();
        InputErrors::from(InputError { file, line: 1, column: 1, path: String::new(), message, help: None })
    };
    let (mut types, mut errors) = (NodeTypes::default(), Vec::new());
    for (file, text) in files(path, read).map_err(whole)? {
        for document in parse(&file, &text)? {
            types.add_document(&file, &document, &mut errors);
        }
    }
    if !errors.is_empty() {
        return Err(InputErrors(errors));
    }
    if types.types.is_empty() {
        return Err(whole("there is no node type".to_owned()));
    }
    Ok(types.types.iter().map(|(name, shape)| shape.node_type(name)).collect())
}

/// The types that pools may be of, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct NodeTypes {
    types: Vec<(String, Shape)>,
    /// Whether some could not be read, so that a name that is not found may be one of them.
    has_errors: bool,
}

impl NodeTypes {
    /// Reads the entries of `nodeTypes`; mistakes go to the gathering's errors.
    pub(super) fn lower(entries: &[NodeTypeEntry], place: &Place<'_>, gathering: &mut Gathering<'_>) -> NodeTypes {
        let mut types = NodeTypes::default();
        let before = gathering.errors.len();
        for (index, entry) in entries.iter().enumerate() {
            let place = place.index(index);
            match entry {
                NodeTypeEntry::InPlace => types.add(&place, &mut gathering.errors),
                NodeTypeEntry::File => {
                    if let Err(errors) = types.add_file(&place, gathering) {
                        gathering.errors.extend(errors.0);
                    }
                }
            }
        }
        types.has_errors = gathering.errors.len() > before;
        types
    }

    /// A type by its name.
    ///
    /// # Errors
    /// There is none; nothing is said where it may stand among those that could not be read.
    pub(super) fn find(&self, name: &str, place: &Place<'_>) -> Result<&Shape, Option<InputError>> {
        if let Some((_, shape)) = self.types.iter().find(|(known, _)| known == name) {
            return Ok(shape);
        }
        if self.has_errors {
            return Err(None);
        }
        let names: Vec<&str> = self.types.iter().map(|(name, _)| name.as_str()).collect();
        let none = || "declare it under nodeTypes, with name and capacity".to_owned();
        let help = suggestion(name, &names).unwrap_or_else(none);
        Err(Some(place.error_help(format!("no node type is named {name:?}"), help)))
    }

    fn add_file(&mut self, place: &Place<'_>, gathering: &mut Gathering<'_>) -> Result<(), InputErrors> {
        let NodeTypesInFile { file } = place.read()?;
        let place = place.key("file");
        let found = files(&gathering.folder.join(file), gathering.read).map_err(|why| place.error(why))?;
        for (file, text) in found {
            for document in parse(&file, &text)? {
                self.add_document(&file, &document, &mut gathering.errors);
            }
        }
        Ok(())
    }

    fn add_document(&mut self, file: &str, document: &Located, errors: &mut Vec<InputError>) {
        let place = Place::new(file, document);
        match &document.value {
            Node::List(items) => (0..items.len()).for_each(|index| self.add(&place.index(index), errors)),
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::UInt(_)
            | Node::Float(_)
            | Node::String(_)
            | Node::Map(_) => {
                let help = "write - name: …, with capacity and pricePerHour, for each type";
                errors.push(place.error_help("a file of node types holds a list of them", help));
            }
        }
    }

    fn add(&mut self, place: &Place<'_>, errors: &mut Vec<InputError>) {
        let file: NodeTypeFile = match place.read() {
            Ok(file) => file,
            Err(more) => return errors.extend(more.0),
        };
        let name_place = place.key("name");
        let why = if file.name.is_empty() {
            vec![text::empty_error().to_owned()]
        } else {
            text::is_valid_label_value(&file.name)
        };
        if let Some(why) = why.into_iter().next() {
            errors.push(name_place.error(format!("{:?} cannot name a node type: {why}", file.name)));
        }
        if self.types.iter().any(|(known, _)| *known == file.name) {
            errors.push(name_place.error(format!("there are two node types named {:?}", file.name)));
        }
        let mut shape = Shape::of(&file.capacity, &file.allocatable, &file.labels, file.price_per_hour, place, errors);
        shape.taint(&file.taints, &place.key("taints"), errors);
        shape.check(&|name| file.capacity.contains_key(name), place, errors);
        self.types.push((file.name, shape));
    }
}
