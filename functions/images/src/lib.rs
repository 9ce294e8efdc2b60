//! Makes thumbnails of pictures in an object store.
