package dev.fathom.align.lope;

import dev.fathom.align.probe.Split;
import dev.fathom.align.probe.TwoClasses;
import dev.fathom.data.LabelledText;
import dev.fathom.evaluate.bias.StereoSetItem;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Sentences of StereoSet as two classes for probes: the stereotypes, which are the positive one,
/// and others (thesis section 4.3.1).
public final class StereotypeTexts {
  /// The label of the positive class.
  public static final String STEREOTYPE = "stereotype";

  private static final String OTHER = "other";
  private static final double HELD_OUT = 0.2;

  /// With fewer terms, whole terms cannot be held out.
  private static final int FEWEST_GROUPS = 5;

  private StereotypeTexts() {}

  /// Each item's sentences that count, one after another; their group is the item's term.
  public static TwoClasses classes(List<StereoSetItem> items, Lope.Labels labels) {
    return TwoClasses.of(
        items.stream().flatMap(item -> labelled(item, labels)).toList(),
        Optional.of(STEREOTYPE),
        Optional.empty());
  }

  /// A fifth held out: whole terms where there are enough of them, else sentences.
  public static Split split(TwoClasses data, long seed) {
    List<String> groups = data.groups();
    return groups.stream().distinct().count() >= FEWEST_GROUPS
        ? Split.byGroup(groups, data.positive(), HELD_OUT, seed)
        : Split.random(data.positive(), HELD_OUT, seed);
  }

  private static Stream<LabelledText> labelled(StereoSetItem item, Lope.Labels labels) {
    LabelledText stereotype = text(item, item.stereotype(), STEREOTYPE);
    LabelledText anti = text(item, item.antiStereotype(), OTHER);
    LabelledText unrelated = text(item, item.unrelated(), OTHER);
    return switch (labels) {
      case ANTI -> Stream.of(stereotype, anti);
      case UNRELATED -> Stream.of(stereotype, unrelated);
      case REST -> Stream.of(stereotype, anti, unrelated);
    };
  }

  private static LabelledText text(
      StereoSetItem item, StereoSetItem.Sentence sentence, String label) {
    return new LabelledText(sentence.text(), label, Optional.of(item.target()), Optional.empty());
  }
}
