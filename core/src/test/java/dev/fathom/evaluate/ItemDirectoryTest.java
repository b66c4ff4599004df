package dev.fathom.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ItemDirectoryTest {
  @TempDir private Path folder = Path.of("");

  private ItemDirectory open(String... settings) {
    var named = new LinkedHashMap<String, String>();
    for (int i = 0; i < settings.length; i += 2) {
      named.put(settings[i], settings[i + 1]);
    }
    return ItemDirectory.open(folder, named);
  }

  private static List<String> read(ItemDirectory items) {
    var found = new ArrayList<String>();
    items.forEach(item -> found.add(item.get("key").asString() + item.path("x").asInt()));
    return found;
  }

  @Test
  void itemsComeBackInOrderAndOnce() {
    try (var items = open("model", "a")) {
      items.append("b", item -> item.put("x", 1));
      items.append("a\n\"é", item -> item.put("x", 2));
      assertThat(items.has("b")).isTrue();
      assertThat(items.has("c")).isFalse();
    }
    try (var items = open("model", "a")) {
      assertThat(items.size()).isEqualTo(2);
      items.append("b", item -> item.put("x", 9));
      items.append("c", item -> item.put("x", 3));
      assertThat(read(items)).containsExactly("b1", "a\n\"é2", "c3");
    }
  }

  @Test
  void aTornLastLineIsDropped() throws IOException {
    try (var items = open()) {
      items.append("a", item -> item.put("x", 1));
    }
    Path file = folder.resolve("items.jsonl");
    Files.writeString(file, "{\"key\":\"b\",\"x\":2}", StandardOpenOption.APPEND);
    try (var items = open()) {
      assertThat(items.has("b")).isFalse();
      items.append("b", item -> item.put("x", 3));
      assertThat(read(items)).containsExactly("a1", "b3");
    }
    assertThat(Files.readString(file))
        .isEqualTo("{\"key\":\"a\",\"x\":1}\n{\"key\":\"b\",\"x\":3}\n");
  }

  @Test
  void otherSettingsAreRefusedByName() {
    open("model", "a", "steps", "3").close();
    open("model", "a", "steps", "3").close();
    for (var other :
        List.of(
            Map.entry(List.of("model", "b", "steps", "3"), "model = a, but this run has b"),
            Map.entry(List.of("model", "a"), "steps = 3, but this run has nothing"),
            Map.entry(
                List.of("model", "a", "steps", "3", "k", "1"),
                "k = nothing, but this run has 1"))) {
      assertThatThrownBy(() -> open(other.getKey().toArray(new String[0])))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining(other.getValue());
    }
  }

  @Test
  void twoRunsAtOnceAndForeignFilesAreRefused() throws IOException {
    try (var items = open()) {
      assertThat(items.path()).isEqualTo(folder);
      assertThatThrownBy(this::open)
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("another run");
    }
    Files.writeString(folder.resolve("items.jsonl"), "{\"key\":\"a\"}\nnonsense\n");
    assertThatThrownBy(this::open).hasMessageContaining("items.jsonl, line 2");
    Files.delete(folder.resolve("settings.json"));
    assertThatThrownBy(this::open).hasMessageContaining("without their settings.json");
  }

  @Test
  void theMeanOfAHandfulHasStudentsInterval() {
    var mean = new MeanInterval();
    assertThat(mean.mean()).isNaN();
    for (double value : new double[] {1, 2, 3, 4, 10}) {
      mean.add(value);
    }
    assertThat(mean.mean()).isEqualTo(4);
    assertThat(mean.deviation()).isCloseTo(Math.sqrt(12.5), within(1e-12));
    assertThat(mean.low()).isCloseTo(4 - 2.776445 * Math.sqrt(2.5), within(1e-2));
    assertThat(mean.high()).isCloseTo(4 + 2.776445 * Math.sqrt(2.5), within(1e-2));
    assertThat(mean.count()).isEqualTo(5);
  }

  @Test
  void aRunCanBeReadWhileItIsWritten() throws IOException {
    try (var items = open("model", "a")) {
      items.append("b", item -> item.put("x", 1));
      Files.writeString(
          folder.resolve("items.jsonl"), "{\"key\": \"half", StandardOpenOption.APPEND);
      var found = new ArrayList<String>();
      ItemDirectory.forEach(folder, item -> found.add(item.get("key").asString()));
      assertThat(found).containsExactly("b");
      assertThat(ItemDirectory.settings(folder)).containsExactly(Map.entry("model", "a"));
    }
    Path none = folder.resolve("none");
    assertThatThrownBy(() -> ItemDirectory.settings(none))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("no directory of a run");
  }
}
