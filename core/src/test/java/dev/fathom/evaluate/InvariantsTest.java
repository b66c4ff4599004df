package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.Kind;
import dev.fathom.model.SequentialBlock;
import dev.fathom.model.TinyModels;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.model.TinyModels.Variant;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import java.util.ArrayList;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class InvariantsTest {
  static Stream<Variant> every() {
    return Stream.of(DType.F64, DType.F32).flatMap(d -> TinyModels.every(d).stream());
  }

  @ParameterizedTest
  @MethodSource("every")
  void theyHoldOnEveryVariant(Variant variant) {
    try (var tiny = TinyModels.of(variant)) {
      var checks = Invariants.check(tiny.model(), TinyModel.idArray(7, variant.seed()));
      assertThat(checks).hasSizeGreaterThan(3 * 8).allMatch(Invariants.Check::passed);
    }
  }

  @Test
  void aModelThatComputesNoNumbersFails() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      Transformer model = tiny.model();
      var blocks = new ArrayList<>(model.blocks());
      var first = (SequentialBlock) blocks.getFirst();
      var checks = Invariants.check(model, TinyModel.idArray(5, 1));
      assertThat(checks).allMatch(Invariants.Check::passed);
      blocks.set(
          0,
          new SequentialBlock(
              first.norm1(), first.attention(), first.norm2(), first.mlp(), Double.NaN));
      var broken = new Transformer(model.card(), model.embedding(), blocks, model.head(), () -> {});
      assertThat(Invariants.check(broken, TinyModel.idArray(5, 1)))
          .filteredOn(c -> c.site().kind() == Kind.RESID_POST)
          .noneMatch(Invariants.Check::passed);
    }
  }

  @Test
  void anEmptyRowIsRefused() {
    try (var tiny = TinyModels.llama(DType.F64)) {
      assertThatThrownBy(() -> Invariants.check(tiny.model(), new int[0]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("at least one token");
    }
  }

  @Test
  void aCheckSaysWhatWasComparedAndHowFarApartItWas() {
    try (var tiny = TinyModels.gpt2(DType.F32)) {
      assertThat(Invariants.check(tiny.model(), TinyModel.idArray(4, 3)).getFirst().toString())
          .startsWith("ok   resid_post.0")
          .contains("watching changes nothing: largest gap")
          .contains("tolerance ");
    }
  }
}
