//! Where functions read and write objects: a local folder or a bucket, by URL.
