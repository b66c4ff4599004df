package dev.fathom.text;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.fathom.FathomException;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import org.jspecify.annotations.Nullable;

/// One tokenizer of Hugging Face's native library, which comes inside DJL's jar and is unpacked to
/// DJL's cache on first use. Nothing is loaded before the first tokenizer.json is.
///
/// The few native calls are used directly: DJL's own wrapper fetches seven arrays per encoding and
/// can reach out to the network.
final class NativeTokenizer {
  private static final Cleaner CLEANER = Cleaner.create();

  private final long handle;

  private NativeTokenizer(long handle) {
    this.handle = handle;
    CLEANER.register(this, new Release(handle));
  }

  private record Release(long handle) implements Runnable {
    @Override
    public void run() {
      TokenizersLibrary.LIB.deleteTokenizer(handle);
    }
  }

  /// An encoding as the library counts.
  ///
  /// @param spans in code points; null for a token that was added
  /// @param added 1 for a token that was added; only filled where asked for
  @SuppressWarnings("ArrayRecordComponent")
  record Raw(long[] ids, @Nullable CharSpan[] spans, long[] added) {}

  /// Reads a tokenizer from the text of a tokenizer.json.
  ///
  /// @throws FathomException if the library cannot be loaded or does not understand the text
  static NativeTokenizer parse(String json) {
    load();
    try {
      return new NativeTokenizer(TokenizersLibrary.LIB.createTokenizerFromString(json));
    } catch (RuntimeException e) {
      throw new FathomException("not understood by the tokenizer library: " + e.getMessage(), e);
    }
  }

  private static void load() {
    System.setProperty("ai.djl.offline", "true");
    try {
      LibUtils.checkStatus();
    } catch (RuntimeException | LinkageError e) {
      throw new FathomException(
          "the native tokenizer library could not be loaded on %s %s (%s); it unpacks to ~/.djl.ai,"
                  .formatted(System.getProperty("os.name"), System.getProperty("os.arch"), e)
              + " or to the directory in the environment variable DJL_CACHE_DIR, which must be"
              + " writable",
          e);
    }
  }

  /// Encodes a text, which must be well-formed.
  Raw encode(String text, boolean addSpecial, boolean withAdded) {
    TokenizersLibrary library = TokenizersLibrary.LIB;
    try {
      long encoding = library.encode(handle, text, addSpecial);
      try {
        long[] added = withAdded ? library.getSpecialTokenMask(encoding) : new long[0];
        return new Raw(library.getTokenIds(encoding), library.getTokenCharSpans(encoding), added);
      } finally {
        library.deleteEncoding(encoding);
      }
    } catch (RuntimeException e) {
      throw new FathomException("the tokenizer cannot encode this text: " + e.getMessage(), e);
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  String decode(long[] ids, boolean skipSpecial) {
    try {
      return TokenizersLibrary.LIB.decode(handle, ids, skipSpecial);
    } catch (RuntimeException e) {
      throw new FathomException("the tokenizer cannot decode these ids: " + e.getMessage(), e);
    } finally {
      Reference.reachabilityFence(this);
    }
  }
}
