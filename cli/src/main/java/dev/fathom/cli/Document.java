package dev.fathom.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import tools.jackson.databind.json.JsonMapper;

/// A JSON object that grows field by field, in order. The first field says which format it is.
final class Document {
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private final Map<String, Object> fields = new LinkedHashMap<>();

  /// @param format such as `fathom.doctor/1`: a name and the version of its fields
  static Document of(String format) {
    return new Document().put("format", format);
  }

  /// A part of another document.
  static Document part() {
    return new Document();
  }

  /// Puts text, numbers, lists, maps or documents; an empty optional leaves the field out, a number
  /// that is none becomes null.
  Document put(String name, Object value) {
    switch (value) {
      case Optional<?> optional -> optional.ifPresent(inner -> put(name, inner));
      case OptionalInt optional -> optional.ifPresent(inner -> fields.put(name, inner));
      case OptionalDouble optional -> optional.ifPresent(inner -> put(name, inner));
      case Document document -> fields.put(name, document.fields);
      case List<?> list -> fields.put(name, list.stream().map(Document::plain).toList());
      case Double number when !Double.isFinite(number) -> fields.put(name, null);
      default -> fields.put(name, value);
    }
    return this;
  }

  private static Object plain(Object value) {
    return value instanceof Document document ? document.fields : value;
  }

  String text() {
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(fields);
  }
}
