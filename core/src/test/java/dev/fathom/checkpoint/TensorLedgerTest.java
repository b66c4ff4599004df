package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;

class TensorLedgerTest {
  private static TensorLedger ledger(String... names) {
    SequencedMap<String, TensorInfo> tensors = new LinkedHashMap<>();
    for (String name : names) {
      tensors.put(name, new TensorInfo(name, TensorType.F32, List.of(2L, 3L), 0, 24));
    }
    return new TensorLedger(tensors, "llama", "model.safetensors");
  }

  @Test
  void everythingMissingAndUnknownIsReportedAtOnce() {
    var ledger =
        ledger("model.layers.29.mlp.up_projj.weight", "model.layers.29.mlp.down_proj.weight");
    ledger.take("model.layers.29.mlp.up_proj.weight", 2, 3);
    ledger.take("model.layers.29.mlp.down_proj.weight", 3, 2);
    ledger.take("model.norm.weight", 3);
    assertThatThrownBy(ledger::finish)
        .isInstanceOf(FathomException.class)
        .hasMessage(
            """
            model.safetensors: 2 tensors missing, 1 tensor of another shape, 1 tensor not understood for architecture llama
              missing: model.layers.29.mlp.up_proj.weight
              missing: model.norm.weight
              shape: model.layers.29.mlp.down_proj.weight is [2, 3], expected [3, 2]
              unknown: model.layers.29.mlp.up_projj.weight (did you mean model.layers.29.mlp.up_proj.weight?)\
            """);
  }

  @Test
  void aTensorIsTakenOnce() {
    var ledger = ledger("a");
    ledger.take("a", 2, 3);
    assertThatThrownBy(() -> ledger.take("a", 2, 3)).isInstanceOf(IllegalStateException.class);
    ledger.finish();
  }

  @Test
  void harmlessTensorsMayStay() {
    var ledger = ledger("h.0.attn.bias", "h.0.attn.c_attn.bias");
    ledger.harmless(".*\\.attn\\.bias");
    assertThatThrownBy(ledger::finish)
        .hasMessageContaining("unknown: h.0.attn.c_attn.bias")
        .hasMessageNotContaining("h.0.attn.bias");
  }

  @Test
  void olderSpellingsAreFoundInAnyMix() {
    var ledger = ledger("bert.a.LayerNorm.gamma", "b.LayerNorm.weight", "c.LayerNorm.gamma");
    ledger.optionalPrefix("bert.").olderSpelling("LayerNorm.weight", "LayerNorm.gamma");
    assertThat(ledger.take("bert.a.LayerNorm.weight", 2, 3).name())
        .isEqualTo("bert.a.LayerNorm.gamma");
    assertThat(ledger.take("bert.b.LayerNorm.weight", 2, 3).name()).isEqualTo("b.LayerNorm.weight");
    assertThat(ledger.take("bert.c.LayerNorm.weight", 2, 3).name()).isEqualTo("c.LayerNorm.gamma");
    assertThat(ledger.takeIfPresent("bert.d.bias", 3)).isEmpty();
    ledger.finish();
  }

  @Test
  void manyUnknownTensorsAreCountedNotListed() {
    String[] names = new String[100];
    for (int i = 0; i < names.length; i++) {
      names[i] = "x." + i;
    }
    assertThatThrownBy(ledger(names)::finish)
        .hasMessageStartingWith("model.safetensors: 100 tensors not understood")
        .hasMessageEndingWith("unknown: and 80 more");
  }
}
