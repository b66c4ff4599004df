package dev.fathom.refine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Handles;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Row;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TunedTest {
  private static final int[] IDS = {3, 1, 4, 1, 5, 9, 2, 6};

  @TempDir private Path folder;

  private static Transformer load() {
    return Models.load(References.path("checkpoints/llama"), DType.F32);
  }

  private Refiner.Outcome refined(Transformer model) {
    Lora lora = Lora.standard(model).withRank(2, 4).withDropout(0);
    return Refiner.of(
            model,
            Refinement.Config.of(List.of(lora), Mod.Config.dense(2)),
            Refiner.training(2, 2, 2, 1e-2).withWorkers(1))
        .run(List.of(new Row(IDS, 1), new Row(new int[] {7, 5, 3}, 1)), List.of(), folder, _ -> {});
  }

  @Test
  void whatARunLeftSpeaksAsWhatItGaveBack() {
    try (Transformer model = load()) {
      Refiner.Outcome outcome = refined(model);
      try (var scope = Scope.withoutGradients();
          var given = Tuned.of(model, outcome);
          var read = Tuned.open(model, folder)) {
        Tensor logits = Mixtures.logits(given.speaker(), IDS);
        assertThat(Mixtures.logits(read.speaker(), IDS).sameAs(logits)).isTrue();
        assertThat(logits.sameAs(Mixtures.logits(given.transformer(), IDS))).isFalse();
        assertThat(logits.sameAs(Mixtures.logits(model, IDS))).isFalse();
        assertThat(read.speaker().card().name()).isEqualTo(given.speaker().card().name());
        assertThat(read.speaker().card().sha256().get())
            .isEqualTo(given.speaker().card().sha256().get());
      }
    }
  }

  @Test
  void whoeverSpeaksHasAFingerprintOfItsOwn() {
    try (Transformer model = load()) {
      Refiner.Outcome _ = refined(model);
      try (var tuned = Tuned.open(model, folder)) {
        Transformer.Card dense = tuned.speaker().card();
        Transformer.Card sparse = tuned.withTopK(1).speaker().card();
        assertThat(dense.name()).endsWith(" + lora + mod");
        assertThat(sparse.name()).endsWith(" + lora + mod (1 of 2)");
        assertThat(
                List.of(
                    dense.sha256().get(),
                    sparse.sha256().get(),
                    tuned.transformer().card().sha256().get(),
                    model.card().sha256().get()))
            .doesNotHaveDuplicates();
      }
    }
  }

  @Test
  void withoutAMixtureTheEditedModelSpeaks() throws Exception {
    try (Transformer model = load()) {
      Refiner.Outcome _ = refined(model);
      Files.delete(folder.resolve(Refiner.MOD));
      try (var tuned = Tuned.open(model, folder)) {
        assertThat(tuned.speaker()).isSameAs(tuned.transformer()).isNotSameAs(model);
        assertThatThrownBy(() -> tuned.withTopK(1)).hasMessageContaining("has no mixture");
      }
      try (var plain = Tuned.of(model, List.of(), Optional.empty())) {
        assertThat(plain.speaker()).isSameAs(model);
      }
      Files.delete(folder.resolve(Refiner.LORA));
      assertThatThrownBy(() -> Tuned.open(model, folder))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("neither lora.safetensors nor mod.safetensors");
    }
  }

  @Test
  void closingFreesWhatWasMadeAndLeavesTheModel() {
    try (Transformer model = load()) {
      Refiner.Outcome outcome = refined(model);
      long handles = Handles.open();
      try (var tuned = Tuned.of(model, outcome)) {
        assertThat(tuned.withTopK(1).mixture()).isPresent();
      }
      assertThat(Handles.open()).isLessThanOrEqualTo(handles);
      assertThatThrownBy(
              () -> Tuned.of(model, List.of(), outcome.mod())) // learnt on the edited one
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("was made from");
      assertThat(Handles.open()).isLessThanOrEqualTo(handles);
      try (var scope = Scope.withoutGradients()) {
        assertThat(Double.isFinite(Mixtures.logits(model, IDS).sum().item())).isTrue();
      }
    }
  }
}
