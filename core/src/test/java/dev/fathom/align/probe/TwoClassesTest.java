package dev.fathom.align.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.LabelledText;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class TwoClassesTest {
  private static List<LabelledText> texts(String... labels) {
    return Stream.of(labels).map(label -> LabelledText.of("text", label)).toList();
  }

  private static TwoClasses of(
      List<LabelledText> texts, @Nullable String positive, @Nullable String negative) {
    return TwoClasses.of(texts, Optional.ofNullable(positive), Optional.ofNullable(negative));
  }

  @Test
  void ofTwoLabelsTheLastIsPositiveUnlessNamed() {
    var classes = TwoClasses.of(texts("1", "0", "0"));
    assertThat(classes.positiveLabel()).isEqualTo("1");
    assertThat(classes.negativeLabel()).isEqualTo("0");
    assertThat(classes.positive()).containsExactly(true, false, false);
    assertThat(classes.positives()).isEqualTo(1);
    var turned = of(texts("1", "0", "0"), "0", null);
    assertThat(turned.positive()).containsExactly(false, true, true);
    assertThat(turned.negativeLabel()).isEqualTo("1");
    assertThat(of(texts("1", "0"), null, "1").positiveLabel()).isEqualTo("0");
  }

  @Test
  void ofSeveralLabelsOneStandsAgainstAllOthersOrAgainstOne() {
    var all = texts("a", "b", "c", "b");
    var rest = of(all, "b", null);
    assertThat(rest.positive()).containsExactly(false, true, false, true);
    assertThat(rest.negativeLabel()).isEqualTo("not b");
    var pair = of(all, "b", "c");
    assertThat(pair.texts()).hasSize(3);
    assertThat(pair.positive()).containsExactly(true, false, true);
    assertThat(pair.negativeLabel()).isEqualTo("c");
  }

  @Test
  void classesThatAreNotClearAreRefused() {
    assertThatThrownBy(() -> TwoClasses.of(texts("x", "x")))
        .hasMessageContaining("all 2 texts have the label 'x'");
    assertThatThrownBy(() -> TwoClasses.of(texts("b", "a", "c", "a")))
        .hasMessageContaining("3 labels (a: 2, b: 1, c: 1)")
        .hasMessageContaining("--positive");
    assertThatThrownBy(() -> of(texts("a", "b"), "z", null))
        .hasMessageContaining("no text has the label 'z', only a: 1, b: 1");
    assertThatThrownBy(() -> of(texts("a", "b"), "a", "a"))
        .hasMessageContaining("'a' is named as the positive and as the negative label");
    assertThatThrownBy(() -> TwoClasses.of(List.of())).hasMessageContaining("there are no texts");
  }

  @Test
  void aTextWithoutAGroupIsAGroupOfItsOwn() {
    var classes =
        TwoClasses.of(
            List.of(
                LabelledText.of("a", "1").in("g"),
                LabelledText.of("b", "0").in("g"),
                LabelledText.of("c", "1"),
                LabelledText.of("d", "0")));
    assertThat(classes.grouped()).isTrue();
    assertThat(classes.groups().stream().distinct()).hasSize(3);
    assertThat(TwoClasses.of(texts("a", "b")).grouped()).isFalse();
  }
}
