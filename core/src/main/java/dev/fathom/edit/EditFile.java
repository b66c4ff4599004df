package dev.fathom.edit;

import dev.fathom.FathomException;
import dev.fathom.Version;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// Edits on disk. The format is described on this package's page.
public final class EditFile {
  private static final String ENDING = ".safetensors";
  private static final String CHANGES = "fathom.edit";
  private static final int FORMAT = 1;
  private static final int MOST_CHANGES = 1 << 20;
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private EditFile() {}

  /// Writes an edit; its scale is how it is used, not what it is, and is not written.
  ///
  /// @throws FathomException if the file cannot be written; nothing is left then
  public static void write(Path path, Edit edit) {
    ObjectNode description = JsonNodeFactory.instance.objectNode();
    description.put("format", FORMAT);
    ArrayNode changes = description.putArray("changes");
    var specs = new ArrayList<TensorSpec>();
    var contents = new LinkedHashMap<String, MemorySegment>();
    for (int i = 0; i < edit.changes().size(); i++) {
      ObjectNode change = changes.addObject();
      String values = i + ".values";
      switch (edit.changes().get(i)) {
        case Change.Rows rows -> {
          String indices = i + ".indices";
          change.put("kind", "rows").put("tensor", rows.tensor()).put("axis", rows.axis());
          change.put("indices", indices).put("values", values);
          add(specs, contents, values, rows.values());
          specs.add(TensorSpec.of(indices, TensorType.I64, rows.indices().size()));
          contents.put(indices, longs(rows.indices()));
        }
        case Change.Bias bias -> {
          change.put("kind", "bias").put("tensor", bias.tensor()).put("from", bias.from());
          change.put("values", values);
          add(specs, contents, values, bias.values());
        }
        case Change.LowRank step -> {
          change.put("kind", "lowrank").put("tensor", step.tensor()).put("from", step.from());
          change.put("factor", step.factor()).put("a", i + ".a").put("b", i + ".b");
          add(specs, contents, i + ".a", step.a());
          add(specs, contents, i + ".b", step.b());
        }
      }
    }
    Map<String, String> metadata = new LinkedHashMap<>(edit.card().toMetadata());
    metadata.put(CHANGES, description.toString());
    try (var writer = SafetensorsWriter.create(path, specs, metadata)) {
      contents.forEach(writer::append);
      writer.commit();
    }
  }

  private static void add(
      List<TensorSpec> specs, Map<String, MemorySegment> contents, String name, Values values) {
    specs.add(new TensorSpec(name, values.type(), values.shape()));
    contents.put(name, values.bytes());
  }

  private static MemorySegment longs(List<Integer> indices) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[Math.multiplyExact(8, indices.size())]);
    for (int i = 0; i < indices.size(); i++) {
      bytes.setAtIndex(LONG, i, indices.get(i));
    }
    return bytes;
  }

  /// Reads an edit. It is named as the file is, without its ending.
  ///
  /// @throws FathomException if the file cannot be read or is not a sound edit
  public static Edit read(Path path) {
    try (var file = SafetensorsFile.open(path)) {
      Card card = Card.fromMetadata(file.metadata(), path).requireKind(Edit.KIND, path);
      String name = String.valueOf(path.getFileName());
      return new Edit(
          name.endsWith(ENDING) ? name.substring(0, name.length() - ENDING.length()) : name,
          card,
          new Reader(path, file).changes(),
          1);
    }
  }

  /// One reading of a file from strangers: everything is checked before it is believed.
  private static final class Reader {
    private final Path path;
    private final SafetensorsFile file;
    private final Set<String> left;

    Reader(Path path, SafetensorsFile file) {
      this.path = path;
      this.file = file;
      this.left = new HashSet<>(file.tensors().keySet());
    }

    List<Change> changes() {
      if (!(file.metadata().get(CHANGES) instanceof String text)) {
        throw wrong("lacks the entry '%s', which says what it changes".formatted(CHANGES));
      }
      ObjectNode description =
          JsonFiles.parse(text.getBytes(StandardCharsets.UTF_8), path + ": " + CHANGES);
      if (description.path("format").asInt(0) != FORMAT) {
        throw wrong(
            "is an edit of format %s, this Fathom (%s) reads format %d"
                .formatted(description.path("format"), Version.current(), FORMAT));
      }
      JsonNode list = description.path("changes");
      if (!list.isArray() || list.size() > MOST_CHANGES) {
        throw wrong("expected a list of at most %d changes".formatted(MOST_CHANGES));
      }
      var changes = new ArrayList<Change>();
      for (JsonNode change : list) {
        try {
          changes.add(change(change));
        } catch (IllegalArgumentException e) {
          throw wrong("change %d: %s".formatted(changes.size(), e.getMessage()));
        }
      }
      if (!left.isEmpty()) {
        throw wrong("no change uses its tensors " + left.stream().sorted().limit(10).toList());
      }
      return changes;
    }

    private Change change(JsonNode node) {
      String kind = node.path("kind").asString("");
      return switch (kind) {
        case "rows" ->
            new Change.Rows(
                string(node, "tensor"),
                integer(node, "axis"),
                indices(string(node, "indices")),
                values(string(node, "values")));
        case "bias" ->
            new Change.Bias(
                string(node, "tensor"), integer(node, "from"), values(string(node, "values")));
        case "lowrank" ->
            new Change.LowRank(
                string(node, "tensor"),
                integer(node, "from"),
                values(string(node, "a")),
                values(string(node, "b")),
                number(node, "factor"));
        default ->
            throw wrong(
                "has a change of kind '%s', which this Fathom (%s) does not know: it reads rows, bias and lowrank"
                    .formatted(kind, Version.current()));
      };
    }

    private String string(JsonNode node, String name) {
      if (!node.path(name).isString()) {
        throw new IllegalArgumentException("'%s' must be a text".formatted(name));
      }
      return node.path(name).asString();
    }

    private double number(JsonNode node, String name) {
      if (!node.path(name).isNumber()) {
        throw new IllegalArgumentException("'%s' must be a number".formatted(name));
      }
      return node.path(name).asDouble();
    }

    private int integer(JsonNode node, String name) {
      if (!node.path(name).isInt()) {
        throw new IllegalArgumentException("'%s' must be a whole number".formatted(name));
      }
      return node.path(name).asInt();
    }

    private TensorInfo take(String name) {
      TensorInfo info = file.tensors().get(name);
      if (info == null || !left.remove(name)) {
        throw new IllegalArgumentException(
            "its tensor '%s' %s"
                .formatted(name, info == null ? "is missing" : "is used by another change too"));
      }
      return info;
    }

    private List<Integer> indices(String name) {
      TensorInfo info = take(name);
      if (info.type() != TensorType.I64 || info.shape().size() != 1) {
        throw new IllegalArgumentException("indices are a vector of I64, found " + info);
      }
      var indices = new ArrayList<Integer>();
      for (long index : file.bytes(name).toArray(LONG)) {
        if (index < 0 || index > Integer.MAX_VALUE) {
          throw new IllegalArgumentException("no row has the index " + index);
        }
        indices.add((int) index);
      }
      return indices;
    }

    private Values values(String name) {
      TensorInfo info = take(name);
      if (info.type() != TensorType.F32 && info.type() != TensorType.F64) {
        throw new IllegalArgumentException("values are F32 or F64, found " + info.type());
      }
      if (info.bytes() > Integer.MAX_VALUE - 8) {
        throw new IllegalArgumentException("its tensor '%s' exceeds 2 GB".formatted(name));
      }
      Values values = Values.read(file.bytes(name), info.type(), info.shape());
      if (!values.isFinite()) {
        throw new IllegalArgumentException("its tensor '%s' is not all numbers".formatted(name));
      }
      return values;
    }

    private FathomException wrong(String what) {
      return new FathomException(path + ": " + what);
    }
  }
}
