package dev.fathom.edit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Tap;
import dev.fathom.model.TinyModels;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/// Adapters of the Python package PEFT, against logits that it computed (fixtures/peft/make.py).
class PeftDirectoryTest {
  private static final int[] IDS = {3, 17, 5, 99, 42, 7};
  private static final String A = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight";
  private static final String B = "base_model.model.model.layers.1.self_attn.q_proj.lora_B.weight";

  @TempDir private Path folder;

  /// Writes the adapters in `peft/written` below the folder of fixtures that is given.
  static void main(String[] args) {
    Path fixtures = Path.of(args[0]);
    for (String family : List.of("llama", "gpt2", "gpt_neox")) {
      try (var model = Models.load(fixtures.resolve("checkpoints").resolve(family), DType.F32)) {
        PeftDirectory.write(steps(model), model, fixtures.resolve("peft/written/" + family));
      }
    }
  }

  private static Transformer load(String family) {
    return Models.load(References.path("checkpoints/" + family), DType.F32);
  }

  private static float[] logits(Transformer model) {
    double[] logits = EditsTest.logits(model, Tap.NONE, IDS);
    float[] values = new float[logits.length];
    IntStream.range(0, values.length).forEach(i -> values[i] = (float) logits[i]);
    return values;
  }

  private static float[] logits(Transformer model, List<Edit> edits) {
    try (var edited = Edits.apply(model, edits)) {
      return logits(edited);
    }
  }

  /// Steps of other ranks and factors on most maps, a second edit on top of every third map, and a
  /// step of rows 5 to 13 of the first. Where q, k and v are one tensor, these are parts of it.
  private static List<Edit> steps(Transformer model) {
    var random = new Random(17);
    var first = new ArrayList<Change>();
    var second = new ArrayList<Change>();
    List<Linear> maps = Linears.of(model);
    for (int i = 0; i < maps.size() - 1; i++) {
      Linear map = maps.get(i);
      if (i % 4 != 3) {
        first.add(step(random, map, 2 + i % 2, i % 5 == 0 ? 0.3 : 2));
      }
      if (i % 3 == 0) {
        second.add(step(random, map, 1, 2));
      }
    }
    first.add(
        new Change.LowRank(
            maps.getFirst().origin().tensor(),
            5,
            values(random, 1, maps.getFirst().in()),
            values(random, 8, 1),
            -1));
    return List.of(Edit.of(model, "first", first).at(0.5), Edit.of(model, "second", second).at(1));
  }

  private static Change step(Random random, Linear map, int rank, double factor) {
    return new Change.LowRank(
        map.origin().tensor(),
        Math.toIntExact(map.origin().from()),
        values(random, rank, map.in()),
        values(random, map.out(), rank),
        factor);
  }

  private static Values values(Random random, long... shape) {
    long size = Arrays.stream(shape).reduce(1, Math::multiplyExact);
    float[] values = new float[Math.toIntExact(size)];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextInt(-64, 65) / 256f;
    }
    return Values.of(values, shape);
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gpt_neox", "qwen2"})
  void anAdapterMadeByPeftGivesTheLogitsThatPeftComputes(String family) {
    Path adapter = References.path("peft/made/" + family);
    try (var model = load(family);
        var reference = References.open("peft/made/" + family + "/logits.safetensors")) {
      Edit edit = PeftDirectory.read(adapter, model);
      assertThat(edit.name()).isEqualTo(family);
      assertThat(edit.card().method()).isEqualTo("peft");
      assertThat(edit.card().baseSha256()).isEqualTo(model.card().sha256().get());
      assertThat(edit.card().parameters())
          .containsEntry("base_model_name_or_path", "checkpoints/" + family);
      reference.assertClose("logits", logits(model, List.of(edit)), 1e-4);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gpt_neox"})
  void peftComputesWithAWrittenAdapterWhatFathomDoes(String family) {
    Path sample = References.path("peft/written/" + family);
    try (var model = load(family);
        var reference = References.open("peft/written/" + family + "/logits.safetensors")) {
      List<Edit> edits = steps(model);
      reference.assertClose("logits", logits(model, edits), 1e-4);
      PeftDirectory.write(edits, model, folder);
      assertThat(config(folder)).isEqualTo(config(sample)); // the adapter that PEFT had read
      assertThat(tensors(folder)).isEqualTo(tensors(sample));
    }
  }

  private static ObjectNode config(Path directory) {
    ObjectNode config = JsonFiles.read(directory.resolve("adapter_config.json"), 1 << 20);
    config.remove("base_model_name_or_path"); // wherever the fixtures lie
    return config;
  }

  private static Map<String, List<Float>> tensors(Path directory) {
    var found = new LinkedHashMap<String, List<Float>>();
    try (var file = SafetensorsFile.open(directory.resolve("adapter_model.safetensors"))) {
      for (String name : file.tensors().keySet()) {
        var values = new ArrayList<Float>();
        for (float value : file.bytes(name).toArray(ValueLayout.JAVA_FLOAT_UNALIGNED)) {
          values.add(value);
        }
        found.put(name, values);
      }
    }
    return found;
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2", "gpt_neox", "phi3", "bert_cls", "gemma2", "starcoder2"})
  void writtenAndReadItIsTheSameModel(String family) {
    try (var model = load(family)) {
      List<Edit> edits = steps(model);
      float[] expected = logits(model, edits);
      assertThat(expected).isNotEqualTo(logits(model));
      PeftDirectory.write(edits, model, folder.resolve("copy"));
      Edit copy = PeftDirectory.read(folder.resolve("copy"), model);
      References.assertClose("logits", logits(model, List.of(copy)), expected, 1e-5);
      assertThat(copy.card().parameters()).containsEntry("method", "joined");
    }
  }

  @Test
  void aWholeAdapterIsKeptToTheBitAndNamedByLastWords() {
    try (var model = load("llama")) {
      Edit edit = PeftDirectory.read(References.path("peft/made/llama"), model);
      PeftDirectory.write(edit, model, folder);
      assertThat(PeftDirectory.read(folder, model).changes()).isEqualTo(edit.changes());
      ObjectNode config = config(folder);
      assertThat(config.path("target_modules").valueStream().map(node -> node.asString()))
          .containsExactlyInAnyOrder("q_proj", "v_proj", "down_proj", "lm_head");
      assertThat(config.path("r").asInt()).isEqualTo(4);
      PeftDirectory.write(edit.at(-0.5), model, folder);
      References.assertClose(
          "logits",
          logits(model, List.of(PeftDirectory.read(folder, model))),
          logits(model, List.of(edit.at(-0.5))),
          1e-5);
    }
  }

  @Test
  void f64StepsStayF64() {
    try (var scope = Scope.withoutGradients();
        var tiny = TinyModels.neox(DType.F64)) {
      Transformer model = tiny.model();
      var changes = new ArrayList<Change>();
      for (Linear map : Linears.of(model)) {
        changes.add(
            Change.LowRank.of(
                map,
                EditsTest.normal(new Random(1), 2, map.in()),
                EditsTest.normal(new Random(2), map.out(), 2),
                1.5));
      }
      PeftDirectory.write(Edit.of(model, "f64", changes), model, folder);
      assertThat(PeftDirectory.read(folder, model).changes()).isEqualTo(changes);
    }
  }

  @Test
  void anAdapterThatFathomWroteIsRefusedOnAnotherModel() throws IOException {
    write(PLAIN, name -> name);
    try (var model = load("llama");
        var other = load("mistral")) { // the same names and shapes
      assertThat(PeftDirectory.read(folder, other).changes()).hasSize(1); // PEFT names no weights
      PeftDirectory.write(PeftDirectory.read(folder, model), model, folder);
      assertThatThrownBy(() -> PeftDirectory.read(folder, other))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("was made from");
    }
  }

  @Test
  void editsThatAreNotLowRankOrNothingAreRefused() {
    try (var model = load("llama")) {
      Linear map = model.blocks().get(1).mlp().out();
      var bias =
          Edit.of(
              model,
              "bias",
              List.of(new Change.Bias(map.origin().tensor(), 0, values(new Random(1), map.out()))));
      refused(() -> PeftDirectory.write(bias, model, folder), "low-rank steps only");
      Edit none = Edit.of(model, "none", List.of());
      refused(() -> PeftDirectory.write(none, model, folder), "changes nothing");
      try (var other = load("mistral")) {
        Edit foreign = steps(other).getFirst();
        refused(() -> PeftDirectory.write(foreign, model, folder), "was made from");
      }
      assertThat(folder).isEmptyDirectory();
    }
  }

  private static void refused(Runnable work, String reason) {
    assertThatThrownBy(work::run)
        .isInstanceOf(FathomException.class)
        .hasMessageContaining(reason)
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("\n"));
  }

  /// Writes an adapter of layer 1's q_proj in the model `llama`, rank 2.
  private void write(String config, UnaryOperator<String> names, String... without)
      throws IOException {
    Files.writeString(folder.resolve("adapter_config.json"), config);
    var specs = new ArrayList<TensorSpec>();
    for (String name : List.of(A, B)) {
      if (!List.of(without).contains(name)) {
        long[] shape = name.equals(A) ? new long[] {2, 48} : new long[] {48, 2};
        specs.add(TensorSpec.of(names.apply(name), TensorType.BF16, shape));
      }
    }
    try (var writer =
        SafetensorsWriter.create(
            folder.resolve("adapter_model.safetensors"), specs, Map.of("format", "pt"))) {
      for (TensorSpec spec : specs) {
        float[] values = new float[96];
        Arrays.fill(values, 0.25f);
        writer.append(spec.name(), values);
      }
      writer.commit();
    }
  }

  private Change.LowRank read(String config, UnaryOperator<String> names) throws IOException {
    write(config, names);
    try (var model = load("llama")) {
      return (Change.LowRank) PeftDirectory.read(folder, model).changes().getFirst();
    }
  }

  private void refused(String config, UnaryOperator<String> names, String reason, String... without)
      throws IOException {
    write(config, names, without);
    try (var model = load("llama")) {
      refused(() -> PeftDirectory.read(folder, model), reason);
    }
  }

  private static final String PLAIN =
      """
      {"peft_type":"LORA","r":2,"lora_alpha":6,"target_modules":["layers.1.self_attn.q_proj"]}\
      """;

  @Test
  void olderNamesAndOtherTypesAreRead() throws IOException {
    Change.LowRank step = read(PLAIN, name -> name.replace(".weight", ".default.weight"));
    assertThat(step.tensor()).isEqualTo("model.layers.1.self_attn.q_proj.weight");
    assertThat(step.factor()).isEqualTo(3);
    assertThat(step.a()).isEqualTo(Values.of(filled(0.25f), 2, 48));
  }

  private static float[] filled(float value) {
    float[] values = new float[96];
    Arrays.fill(values, value);
    return values;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          "use_rslora":true                                                     | 4.2426406871192848
          "alpha_pattern":{"k_proj":1,"q_proj":5,"self_attn.q_proj":7}          | 2.5
          "alpha_pattern":{"proj":1}                                            | 3
          "r":16,"rank_pattern":{"1.self_attn.q_proj":2}                        | 3
          "target_modules":"q_proj"                                             | 3
          "target_modules":".*[xy].*"                                           | 3
          "target_modules":null                                                 | 3
          "target_modules":["q_proj"],"layers_to_transform":1                   | 3
          "target_modules":["q_proj"],"layers_to_transform":[1],"layers_pattern":"layers" | 3
          "target_modules":["q_proj"],"exclude_modules":["0.self_attn.q_proj","2.self_attn.q_proj"] | 3
          "use_dora":false,"modules_to_save":null,"bias":"none","lora_dropout":0.1 | 3
          "something_new":{},"init_lora_weights":"gaussian"                     | 3
          """)
  void settingsMeanWhatTheyMeanInPeft(String settings, double factor) throws IOException {
    assertThat(read(changed(settings), name -> name).factor()).isEqualTo(factor);
  }

  private static String changed(String settings) {
    ObjectNode all = JsonFiles.parse(PLAIN.getBytes(), "plain");
    all.setAll(JsonFiles.parse(("{" + settings + "}").getBytes(), "settings"));
    return all.toString();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          "peft_type":"IA3"                                          | an adapter of type "IA3"
          "peft_type":null                                           | an adapter of type null
          "use_dora":true                                            | attribute use_dora is true
          "something_new":3                                          | attribute something_new is 3
          "modules_to_save":["lm_head"]                              | attribute modules_to_save is ["lm_head"]
          "trainable_token_indices":[1]                              | attribute trainable_token_indices
          "bias":"lora_only"                                         | its bias is 'lora_only'
          "bias":7                                                   | its bias is
          "init_lora_weights":"pissa"                                | changes the model's own weights
          "r":0                                                      | expected a rank from 1 to
          "r":4000000000                                             | expected a rank from 1 to
          "r":"2"                                                    | expected a rank from 1 to
          "r":3                                                      | with rank 3
          "lora_alpha":"a"                                           | expected a number for lora_alpha
          "lora_alpha":1e999                                         | expected a number for lora_alpha
          "use_rslora":"yes"                                         | expected true or false for use_rslora
          "rank_pattern":{"q_(proj)":2}                              | a regular expression
          "rank_pattern":{"q_proj":null}                             | expected a rank from 1 to
          "rank_pattern":[1]                                         | expected an object for rank_pattern
          "alpha_pattern":{"q.*":2}                                  | a regular expression
          "alpha_pattern":{"":2}                                     | found an empty one
          "target_modules":["q_proj"]                                | lacks the LoRA of model.layers.0.self_attn.q_proj
          "target_modules":["k_proj"]                                | leaves out by target_modules
          "target_modules":["q_*"]                                   | a regular expression
          "target_modules":[3,null]                                  | names of modules
          "target_modules":["q_proj"],"layers_to_transform":[0]      | leaves out by target_modules
          "layers_to_transform":["a"]                                | expected numbers of layers
          "exclude_modules":"q.*"                                    | exclude_modules is a regular expression
          "exclude_modules":["q_proj"]                               | leaves out by target_modules
          """)
  void whatIsNotUnderstoodIsRefusedByName(String settings, String reason) throws IOException {
    refused(changed(settings), name -> name, reason);
  }

  @Test
  void tensorsThatAreNoPlainLoraOfThisModelAreRefused() throws IOException {
    refused(PLAIN, name -> name, "lacks " + B + ", a half", B);
    refused(PLAIN, name -> name, "lacks " + A + ", a half", A);
    refused(PLAIN, name -> name, "lacks the LoRA of model.layers.1.self_attn.q_proj", A, B);
    refused(PLAIN, name -> name.replace("q_proj", "w_proj"), "no linear map of this model");
    refused(PLAIN, name -> name.replace("layers.1", "layers.9"), "no linear map of this model");
    refused(PLAIN, name -> name.replace("q_proj", "k_proj"), "leaves out");
    refused(PLAIN, name -> name.replace("lora_", "lora_embedding_"), "is not understood");
    refused(PLAIN, name -> name.replace("base_model.", ""), "is not understood");
    refused(PLAIN, name -> name.replace("lora_A.weight", "lora_magnitude_vector"), "understood");
    refused(
        PLAIN,
        name -> name.replace("model.model.layers.1.self_attn.q_proj", "model"),
        "no linear map of this model");
    Files.delete(folder.resolve("adapter_model.safetensors"));
    Files.createFile(folder.resolve("adapter_model.bin"));
    try (var model = load("llama")) {
      refused(() -> PeftDirectory.read(folder, model), "pickled Python objects");
      refused(() -> PeftDirectory.read(folder.resolve("none"), model), "no such file");
    }
    assertThat(PeftDirectory.is(folder)).isTrue();
    assertThat(PeftDirectory.is(folder.resolve("none"))).isFalse();
  }

  /// Writes the adapter `made/llama` again with some bytes of a tensor changed.
  private void rewrite(String tensor, float value) throws IOException {
    Path made = References.path("peft/made/llama");
    Files.copy(made.resolve("adapter_config.json"), folder.resolve("adapter_config.json"));
    try (var file = SafetensorsFile.open(made.resolve("adapter_model.safetensors"))) {
      List<TensorSpec> specs =
          file.tensors().values().stream()
              .map(info -> new TensorSpec(info.name(), info.type(), info.shape()))
              .toList();
      try (var writer =
          SafetensorsWriter.create(
              folder.resolve("adapter_model.safetensors"), specs, Map.of("format", "pt"))) {
        for (TensorInfo info : file.tensors().values()) {
          MemorySegment bytes =
              MemorySegment.ofArray(file.bytes(info.name()).toArray(ValueLayout.JAVA_BYTE));
          if (info.name().equals(tensor)) {
            bytes.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 8, value);
          }
          writer.append(info.name(), bytes);
        }
        writer.commit();
      }
    }
  }

  @Test
  void numbersThatAreNoneAndOtherHeadsAreRefused() throws IOException {
    try (var model = load("llama")) {
      rewrite(A, Float.NaN);
      refused(() -> PeftDirectory.read(folder, model), "'" + A + "' is not all numbers");
      Files.delete(folder.resolve("adapter_config.json"));
      rewrite("base_model.model.lm_head.base_layer.weight", 3);
      refused(() -> PeftDirectory.read(folder, model), "another weight than this model's");
    }
  }

  @Test
  void damagedFilesAreSoundOrRefused() throws IOException {
    Path made = References.path("peft/made/qwen2");
    var random = new Random(5);
    try (var model = load("qwen2")) {
      int refused = 0;
      for (int i = 0; i < 300; i++) {
        for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
          byte[] bytes = Files.readAllBytes(made.resolve(name));
          for (int k = random.nextInt(3); k >= 0; k--) {
            bytes[random.nextInt(Math.min(bytes.length, 1500))] = (byte) random.nextInt(256);
          }
          boolean cut = random.nextInt(10) == 0;
          Files.write(
              folder.resolve(name),
              cut ? Arrays.copyOf(bytes, random.nextInt(bytes.length)) : bytes);
        }
        try {
          assertThat(PeftDirectory.read(folder, model).changes()).hasSize(4);
        } catch (FathomException expected) {
          assertThat(expected.getMessage()).isNotBlank();
          refused++;
        }
      }
      assertThat(refused).isGreaterThan(100);
    }
  }
}
