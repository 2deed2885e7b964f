//! The closed set of objects: typed kinds that parts read, and `Untyped` for all the others.

use std::sync::Arc;

use super::{Deployment, Event, Kind, Lease, Meta, Namespace, Node, Pod, Reference, ReplicaSet, Untyped};

/// An object of one type: metadata and body.
#[derive(Clone, PartialEq, Debug)]
pub struct Obj<T> {
    /// `metadata`.
    pub meta: Meta,
    /// The rest.
    pub body: T,
}

/// A type that has a variant in [`Object`].
pub trait Body: Sized + Clone + Send + Sync + 'static {
    /// The kind whose objects these are.
    const KIND: Kind;
    /// Puts one into the closed enum.
    fn wrap(object: Arc<Obj<Self>>) -> Object;
    /// Takes one out of it, if it is of this type.
    fn unwrap(object: &Object) -> Option<&Arc<Obj<Self>>>;
}

/// One line a typed kind: the enum, the access to metadata and the [`Body`] of each cannot drift apart.
macro_rules! objects {
    ($($kind:ident),+ $(,)?) => {
        /// Any object, two words wide and cheap to clone.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Object {
            $(
                #[doc = concat!("A ", stringify!($kind), ".")]
                $kind(Arc<Obj<$kind>>),
            )+
            /// An object of a kind that no part reads.
            Untyped(Arc<Obj<Untyped>>),
        }

        impl Object {
            /// The metadata.
            pub fn meta(&self) -> &Meta {
                match self {
                    $(Object::$kind(object) => &object.meta,)+
                    Object::Untyped(object) => &object.meta,
                }
            }

            /// The metadata, to be changed in this copy alone.
            pub fn meta_mut(&mut self) -> &mut Meta {
                match self {
                    $(Object::$kind(object) => &mut Arc::make_mut(object).meta,)+
                    Object::Untyped(object) => &mut Arc::make_mut(object).meta,
                }
            }
        }

        $(
            impl Body for $kind {
                const KIND: Kind = Kind::$kind;
                fn wrap(object: Arc<Obj<Self>>) -> Object {
                    Object::$kind(object)
                }
                fn unwrap(object: &Object) -> Option<&Arc<Obj<Self>>> {
                    if let Object::$kind(object) = object { Some(object) } else { None }
                }
            }
        )+
    };
}

objects!(Pod, Node, Namespace, Deployment, ReplicaSet, Event, Lease);

impl Object {
    /// The kind.
    pub fn kind(&self) -> Kind {
        self.meta().id.kind
    }

    /// The object as one of type `T`, if it is one.
    pub fn get<T: Body>(&self) -> Option<&Arc<Obj<T>>> {
        T::unwrap(self)
    }

    /// A reference to this object.
    pub fn reference(&self) -> Reference {
        self.meta().reference()
    }

    /// Whether the two are one and the same in memory.
    pub fn same(&self, other: &Object) -> bool {
        std::ptr::eq(self.meta(), other.meta())
    }
}

impl Meta {
    /// A reference to the object of this metadata.
    pub fn reference(&self) -> Reference {
        Reference { kind: self.id.kind, namespace: self.namespace.clone(), name: self.name.clone(), uid: self.uid }
    }
}

impl<T: Body> Obj<T> {
    /// Puts the object into the closed enum.
    pub fn into_object(self) -> Object {
        T::wrap(Arc::new(self))
    }
}
