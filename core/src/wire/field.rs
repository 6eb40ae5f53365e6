//! How the fields of a body stand in CBOR (`PROTOCOL.md` F4).

use alloc::vec::Vec;

use minicbor::{Decoder, Encoder, data::Type};

use crate::{
    ids::{DeviceId, Incarnation, Nonce, Position, RoomId, Seq, UserId},
    time::WallTime,
    transfer::{BlobHash, UploadKey, Version},
};

/// A body that is not what it should be. Which way it is wrong helps nobody who cannot fix the sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Malformed;

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

pub(super) type Writer<'w> = Encoder<&'w mut Vec<u8>>;

/// Something that stands as one element of an array.
pub(super) trait Field<'a>: Sized {
    /// What a sender of an older version means by leaving it out; nothing for a field that must be there.
    const ABSENT: Option<Self> = None;

    fn encode(&self, out: &mut Writer<'_>);

    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed>;
}

/// Encoding into a `Vec` cannot fail; this is where that is said.
pub(super) fn infallible<T>(result: Result<T, minicbor::encode::Error<core::convert::Infallible>>) {
    debug_assert!(result.is_ok(), "writing into memory does not fail");
    drop(result);
}

/// Opens an array of definite length.
pub(super) fn array(from: &mut Decoder<'_>) -> Result<u64, Malformed> {
    from.array()?.ok_or(Malformed)
}

macro_rules! field {
    ($type:ty, $encode:ident, $decode:ident) => {
        impl<'a> Field<'a> for $type {
            #[inline]
            fn encode(&self, out: &mut Writer<'_>) {
                infallible(out.$encode(*self));
            }

            #[inline]
            fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
                Ok(from.$decode()?)
            }
        }
    };
}

field!(u8, u8, u8);
field!(u16, u16, u16);
field!(u32, u32, u32);
field!(u64, u64, u64);
field!(bool, bool, bool);

impl<'a> Field<'a> for &'a str {
    #[inline]
    fn encode(&self, out: &mut Writer<'_>) {
        infallible(out.str(self));
    }

    #[inline]
    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        Ok(from.str()?)
    }
}

impl<'a> Field<'a> for &'a [u8] {
    fn encode(&self, out: &mut Writer<'_>) {
        infallible(out.bytes(self));
    }

    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        Ok(from.bytes()?)
    }
}

macro_rules! number {
    ($type:ident, $new:ident, $number:ident) => {
        impl<'a> Field<'a> for $type {
            #[inline]
            fn encode(&self, out: &mut Writer<'_>) {
                infallible(out.u64(self.$number()));
            }

            #[inline]
            fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
                Ok(Self::$new(from.u64()?))
            }
        }
    };
}

number!(UserId, new, get);
number!(RoomId, new, get);
number!(Seq, new, get);
number!(Position, new, get);
number!(Nonce, new, get);
number!(Incarnation, new, get);
number!(DeviceId, new, get);
number!(WallTime, from_millis, as_millis);

number!(Version, new, get);

macro_rules! byte_string {
    ($type:ident) => {
        impl<'a> Field<'a> for $type {
            fn encode(&self, out: &mut Writer<'_>) {
                self.0.encode(out);
            }

            fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
                Field::decode(from).map(Self)
            }
        }
    };
}

byte_string!(UploadKey);
byte_string!(BlobHash);

impl<'a, const N: usize> Field<'a> for [u8; N] {
    fn encode(&self, out: &mut Writer<'_>) {
        infallible(out.bytes(self));
    }

    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        from.bytes()?.try_into().map_err(|_| Malformed)
    }
}

impl<'a, T: Field<'a>> Field<'a> for Option<T> {
    const ABSENT: Option<Self> = Some(None);

    fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Some(value) => value.encode(out),
            None => infallible(out.null()),
        }
    }

    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        if from.datatype()? == Type::Null {
            from.null()?;
            return Ok(None);
        }
        T::decode(from).map(Some)
    }
}

impl<'a, T: Field<'a>> Field<'a> for Vec<T> {
    fn encode(&self, out: &mut Writer<'_>) {
        infallible(out.array(self.len() as u64));
        for item in self {
            item.encode(out);
        }
    }

    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        let announced = array(from)?;
        let mut items = Self::new();
        for _ in 0..announced {
            items.push(T::decode(from)?);
        }
        Ok(items)
    }
}

/// Makes a struct whose fields stand in an array in the order written.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)? { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl<'a> $crate::wire::field::Field<'a> for $name $(<$life>)? {
            #[inline]
            fn encode(&self, out: &mut $crate::wire::field::Writer<'_>) {
                const FIELDS: &[&str] = &[$(stringify!($field)),*];
                $crate::wire::field::infallible(out.array(FIELDS.len() as u64));
                $($crate::wire::field::Field::encode(&self.$field, out);)*
            }

            #[inline]
            fn decode(
                from: &mut minicbor::Decoder<'a>,
            ) -> Result<Self, $crate::wire::field::Malformed> {
                let mut left = $crate::wire::field::array(from)?;
                $(let $field = $crate::wire::field::element::<$type>(from, &mut left)?;)*
                for _ in 0..left {
                    from.skip()?;
                }
                Ok(Self { $($field,)* })
            }
        }
    };
}
pub(super) use record;

/// The next element of an array of which `left` elements are left.
#[inline]
pub(super) fn element<'a, T: Field<'a>>(from: &mut Decoder<'a>, left: &mut u64) -> Result<T, Malformed> {
    match left.checked_sub(1) {
        Some(rest) => {
            *left = rest;
            T::decode(from)
        }
        None => T::ABSENT.ok_or(Malformed),
    }
}
