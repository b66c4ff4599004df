package dev.fathom.text;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.fathom.FathomException;

/// No tokenizer.model, however broken, does anything but load or be refused. Plain test runs replay
/// the recorded inputs; `JAZZER_FUZZ=1` looks for new ones.
class SentencePieceFileFuzzTest {
  private static final int[] IDS = {0, 1, 2, 3, 5, 8, 13, 1_000_000};

  @FuzzTest(maxDuration = "2m")
  void aTokenizerModelLoadsOrIsRefused(byte[] file) {
    Tokenizer tokenizer;
    try {
      tokenizer = Tokenizers.model(file, TokenizerConfig.NONE, "fuzz");
    } catch (FathomException e) {
      return;
    }
    Encoding encoding = tokenizer.encode("The  ﬁrst 🙂 <s> \u0000 ab\n1 ");
    tokenizer.decode(encoding.ids(), true);
    tokenizer.decode(IDS, false);
    for (int id : encoding.ids()) {
      tokenizer.display(id);
    }
  }
}
