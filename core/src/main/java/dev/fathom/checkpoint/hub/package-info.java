/// The model hub: `hf:owner/name@revision` becomes a directory on this disk.
///
/// **Owns** the reference syntax, the settings people already have for Python's client, the listing
/// and download of the files a model needs, and the cache on disk. It knows nothing of what is in
/// the files. Start at [dev.fathom.checkpoint.hub.HubClient].
///
/// ```java
/// Path home = Path.of(System.getProperty("user.home"));
/// var client = new HubClient(HubSettings.fromEnvironment(System.getenv(), home));
/// var reference = HubReference.parse("hf:owner/name@main");
/// Path directory = client.pull(reference, HubFilter.model(), HubProgress.silent());
/// ```
///
/// ## Cache
///
/// One cache is shared with Python's `huggingface_hub`: what either of them pulled, the other finds
/// without network. Under the root (`HF_HUB_CACHE`, else `HF_HOME/hub`):
///
/// ```
/// models--owner--name/refs/main                   the commit (40 hex digits, no line end)
/// models--owner--name/snapshots/<commit>/<file>   relative link to the blob, or the file itself
/// models--owner--name/blobs/<etag>                content; SHA-256 (large) or git SHA-1 (small)
/// models--owner--name/blobs/<etag>.fathom.incomplete   what has arrived; the next pull goes on
/// models--owner--name/trees/<commit>.json         the full listing; Python writes it, read here
/// .locks/models--owner--name/<etag>.lock            held while a blob arrives
/// ```
///
/// A blob gets its final name only when its checksum is right, and `refs/<revision>` moves to a new
/// commit only when all of that commit's files are there: an interrupted pull never hides the
/// complete snapshot before it. The incomplete file has a name of its own because Python locks with
/// `flock` and Java with `fcntl`, which do not see each other on Linux: the two may fetch the same
/// blob twice, but never into the same file.
///
/// ## Trust
///
/// Everything a server says is hostile until checked. File names stay inside the snapshot, sizes
/// and answers are bounded, checksums are verified, only configuration, tokenizer, safetensors and
/// GGUF files are ever asked for (never pickles or code), the token goes to the endpoint alone and
/// never along a redirect to another host, and a redirect from `https` to `http` is refused.
///
/// ## Threads
///
/// All types are safe to share. A pull runs in the calling thread, which also gets the progress;
/// interrupting it leaves only incomplete files behind. Two pulls of the same blob, in one process
/// or in two, wait for each other.
///
/// ## History
///
/// The layout is that of `huggingface_hub` 0.8 and later; `trees` came with 1.x.
@NullMarked
package dev.fathom.checkpoint.hub;

import org.jspecify.annotations.NullMarked;
