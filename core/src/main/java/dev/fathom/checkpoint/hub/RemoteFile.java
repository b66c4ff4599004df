package dev.fathom.checkpoint.hub;

/// A file as the hub announces it.
///
/// @param name path inside the repository
/// @param address path of its content below the endpoint
/// @param id checksum of the content, and its name in the cache
/// @param bytes size of the content
record RemoteFile(String name, String address, BlobId id, long bytes) {}
