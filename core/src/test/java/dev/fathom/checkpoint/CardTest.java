package dev.fathom.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CardTest {
  private static final Path FILE = Path.of("x.safetensors");

  private static Card card() {
    return Card.of("lens", "tuned lens", "models/a \"b\"", "0123456789abcdef")
        .with("steps", "250")
        .with("a first", "é\n")
        .withSeed(-7)
        .withData("text.txt, 12 tokens");
  }

  @Test
  void aCardComesBackFromAFileAsItWas(@TempDir Path folder) {
    Path path = folder.resolve("a.safetensors");
    var specs = List.of(TensorSpec.of("x", TensorType.F32, 1));
    Card card = card();
    try (var writer = SafetensorsWriter.create(path, specs, card.toMetadata())) {
      writer.append("x", new float[] {1});
      writer.commit();
    }
    try (var file = SafetensorsFile.open(path)) {
      Card found = Card.fromMetadata(file.metadata(), path);
      assertThat(found).isEqualTo(card);
      assertThat(found.parameters().sequencedKeySet()).containsExactly("steps", "a first");
    }
  }

  @Test
  void aCardRefusesAnotherKindAndAnotherBaseByName() {
    assertThat(card().requireKind("lens", FILE).requireBase("renamed", "0123456789abcdef", FILE))
        .isNotNull();
    assertThatThrownBy(() -> card().requireKind("edit", FILE))
        .isInstanceOf(FathomException.class)
        .hasMessage("x.safetensors: holds the lens 'tuned lens' where 'edit' is expected");
    assertThatThrownBy(() -> card().requireBase("other", "ffff", FILE))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("made from models/a \"b\" (weights 0123456789ab)")
        .hasMessageContaining("the model here is other");
  }

  @Test
  void aFileWithoutAnUnderstoodCardIsRefused() {
    assertThatThrownBy(() -> Card.fromMetadata(Map.of("format", "pt"), FILE))
        .hasMessageContaining("has no card");
    var newer = new HashMap<>(card().toMetadata());
    newer.put("fathom.card", "2");
    assertThatThrownBy(() -> Card.fromMetadata(newer, FILE)).hasMessageContaining("version 2");
    for (String key : card().toMetadata().keySet()) {
      if (!key.equals("format") && !key.equals("fathom.card") && !key.equals("fathom.seed")) {
        var less = new HashMap<>(card().toMetadata());
        less.remove(key);
        assertThatThrownBy(() -> Card.fromMetadata(less, FILE)).hasMessageContaining(key);
      }
    }
    for (String broken : List.of("created", "seed", "parameters")) {
      var bad = new HashMap<>(card().toMetadata());
      bad.put("fathom." + broken, "[");
      assertThatThrownBy(() -> Card.fromMetadata(bad, FILE)).isInstanceOf(FathomException.class);
    }
  }
}
