package dev.fathom.render;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class JsonTest {
  private static final JsonMapper MAPPER = JsonMapper.builder().build();

  private record Made(SequencedMap<String, Grid> arrays, List<View> views) implements Result {
    @Override
    public String method() {
      return "lens";
    }

    @Override
    public Provenance provenance() {
      return Samples.provenance(Samples.EIFFEL);
    }
  }

  private static JsonNode result() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put(
        "prob",
        Grid.real(
            List.of(Axis.of("layer", List.of("embed", "0")), Axis.index("position", 2)),
            new float[] {0.1f, Float.NaN, Float.POSITIVE_INFINITY, 0.7015464f}));
    arrays.put("rank", Grid.integer(List.of(Axis.index("layer", 1)), new long[] {Long.MAX_VALUE}));
    arrays.put("scalar", Grid.real(List.of(), new float[] {3}));
    return MAPPER.readTree(Json.render(new Made(arrays, Samples.all())));
  }

  @Test
  void aResultNamesItsFormatMethodAndOrigin() {
    JsonNode json = result();
    assertThat(json.get("format").asString()).isEqualTo("fathom.result/1");
    assertThat(json.get("method").asString()).isEqualTo("lens");
    JsonNode origin = json.get("provenance");
    assertThat(origin.get("tokens").get(1).asString()).isEqualTo(" E");
    assertThat(origin.get("parameters").get("target").asString()).isEqualTo(" Paris");
    assertThat(origin.get("seed").isNull()).isTrue();
    assertThat(origin.get("dtype").asString()).isEqualTo("f32");
  }

  @Test
  void arraysAreNestedListsWithAxes() {
    JsonNode arrays = result().get("arrays");
    JsonNode prob = arrays.get("prob");
    assertThat(prob.get("type").asString()).isEqualTo("f32");
    assertThat(prob.get("axes").get(0).get("labels").get(0).asString()).isEqualTo("embed");
    assertThat(prob.get("axes").get(1).get("size").asInt()).isEqualTo(2);
    assertThat(prob.get("axes").get(1).has("labels")).isFalse();
    assertThat(prob.get("values").get(0).get(0).toString()).isEqualTo("0.1");
    assertThat(prob.get("values").get(0).get(1).isNull()).isTrue();
    assertThat(prob.get("values").get(1).get(0).isNull()).isTrue();
    assertThat((float) prob.get("values").get(1).get(1).asDouble()).isEqualTo(0.7015464f);
    assertThat(arrays.get("rank").get("type").asString()).isEqualTo("i64");
    assertThat(arrays.get("rank").get("values").get(0).asLong()).isEqualTo(Long.MAX_VALUE);
    assertThat(arrays.get("scalar").get("values").asDouble()).isEqualTo(3);
  }

  @Test
  void everyKindOfViewIsThere() {
    var kinds = result().get("views").valueStream().map(v -> v.get("kind").asString()).toList();
    assertThat(kinds)
        .containsExactly(
            "heatMap",
            "heatMap",
            "lines",
            "tokens",
            "ranking",
            "scatter",
            "flow",
            "table",
            "text",
            "smallMultiples");
    JsonNode lens = result().get("views").get(0);
    assertThat(lens.get("grid").get("values").size()).isEqualTo(31);
    assertThat(lens.get("labels").get(30).get(9).asString()).isEqualTo(" Paris");
    assertThat(lens.get("details").get(30).get(9).size()).isEqualTo(5);
    assertThat(lens.get("scale").get("high").asDouble()).isEqualTo(1);
  }

  @Test
  void textOfStrangersComesBackUnchanged() {
    for (String hostile : Hostile.STRINGS) {
      String json = Json.render(Hostile.report(hostile));
      byte[] utf8 = json.getBytes(StandardCharsets.UTF_8);
      JsonNode back = MAPPER.readTree(new String(utf8, StandardCharsets.UTF_8));
      String expected = hostile.replaceAll("\\p{Cs}", "�"); // half a pair cannot be written
      assertThat(back.get("title").asString()).isEqualTo(expected);
      assertThat(back.get("provenance").get("tokens").get(0).asString()).isEqualTo(expected);
      assertThat(StandardCharsets.UTF_8.newEncoder().canEncode(json)).isTrue();
    }
  }

  @Test
  void aReportCarriesTheArraysOfItsSections() {
    JsonNode json = MAPPER.readTree(Json.render(Samples.report()));
    assertThat(json.get("format").asString()).isEqualTo("fathom.report/1");
    JsonNode lens = json.get("sections").get(1);
    assertThat(lens.get("id").asString()).isEqualTo("lens");
    assertThat(lens.get("arrays").get("lens_top_prob").get("values").size()).isEqualTo(31);
  }

  @Test
  void aScatterTellsItsFrameNamesAndLink() {
    View.Scatter plain = View.Scatter.of("T", "", "x", "y", List.of());
    assertThat(Json.render(plain)).doesNotContain("frame", "named", "link");
    var json =
        JsonMapper.shared()
            .readTree(
                Json.render(
                    plain.within(new View.Frame(-1, 2, 0, 3)).naming(Set.of("a")).linkedBy("map")));
    assertThat(json.path("frame").path("xHigh").asDouble()).isEqualTo(2);
    assertThat(json.path("named").path(0).asString()).isEqualTo("a");
    assertThat(json.path("link").asString()).isEqualTo("map");
  }
}
