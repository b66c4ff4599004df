package dev.fathom.align;

import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.evaluate.bias.StereoSetItem;
import dev.fathom.evaluate.bias.StereoSetItem.Sentence;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;

/// Small things to fit methods on.
public final class Fittings {
  public static final AttributeWords GENDER =
      new AttributeWords(
          "gender",
          List.of(
              List.of("he", "she"),
              List.of("man", "woman"),
              List.of("father", "mother"),
              List.of("sons", "daughters")));

  public static final AttributeWords RELIGION =
      new AttributeWords(
          "religion",
          List.of(
              List.of("jewish", "christian", "muslim"), List.of("synagogue", "church", "mosque")));

  private static final List<String> KINDS =
      List.of("caring", "tough", "weak", "bold", "gentle", "rude", "patient", "loud");

  private Fittings() {}

  /// Names of the small checkpoints that predict next tokens.
  public static List<String> decoders() throws IOException {
    try (Stream<Path> entries = Files.list(References.path("checkpoints"))) {
      return entries
          .filter(Files::isDirectory)
          .map(entry -> String.valueOf(entry.getFileName()))
          .filter(name -> !name.contains("bert"))
          .sorted()
          .toList();
    }
  }

  public static Transformer load(String family, DType dtype) {
    return Models.load(References.path("checkpoints/" + family), dtype);
  }

  /// Sixteen items about four terms.
  public static List<StereoSetItem> items(AttributeWords words) {
    var items = new ArrayList<StereoSetItem>();
    var random = new Random(3);
    for (int i = 0; i < 16; i++) {
      String target = words.sets().get(i % words.sets().size()).get(i % words.groups());
      String context = "Every %s in town number %d is BLANK today".formatted(target, i);
      items.add(
          new StereoSetItem(
              "item" + i,
              words.domain(),
              target,
              context,
              said("s" + i, context, KINDS.get(random.nextInt(4))),
              said("a" + i, context, KINDS.get(4 + random.nextInt(4))),
              said("u" + i, context, "purple")));
    }
    return items;
  }

  private static Sentence said(String id, String context, String word) {
    return new Sentence(id, context.replace("BLANK", word));
  }

  /// Texts of a few sentences, some with words that name groups.
  public static List<String> neutral(AttributeWords words) {
    var texts = new ArrayList<String>();
    for (int i = 0; i < 12; i++) {
      String word = words.sets().get(i % words.sets().size()).get(i % words.groups());
      texts.add(
          "The train number %d leaves at %d in the morning. Does the %s take %d apples? It rained."
              .formatted(i, i + 3, word, 2 * i));
    }
    return texts;
  }

  public static Fitting of(Transformer model, AttributeWords words) {
    return of(model, words, SentenceScorer.Context.OFFICIAL, Optional.empty());
  }

  public static Fitting of(
      Transformer model,
      AttributeWords words,
      SentenceScorer.Context context,
      Optional<Path> cache) {
    return new Fitting(
        model,
        new Words(model.outputs(), true),
        words.domain(),
        items(words),
        words,
        neutral(words),
        context,
        new StartToken(Words.BOS, "<s>", "BOS"),
        7,
        cache);
  }
}
