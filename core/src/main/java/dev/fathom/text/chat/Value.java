package dev.fathom.text.chat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A value inside a template: the small part of Python's data model that templates can see.
///
/// Everything but [Namespace], [Stream] and the memory of a [Loop] is immutable, as in the sandbox
/// that `transformers` renders in, where `list.append` and its kin are refused.
sealed interface Value {
  /// Python's name of the type, for messages.
  String type();

  /// The type with its article, for messages.
  default String described() {
    var type = type();
    return ("aeiouAEIOU".indexOf(type.charAt(0)) < 0 ? "a " : "an ") + type;
  }

  /// The number of elements this holds at any depth, counting a shared element each time it is
  /// reached: what a deep comparison or a printout would cost. Sixteen characters count as one
  /// element.
  default long weight() {
    return 1;
  }

  enum None implements Value {
    NONE;

    @Override
    public String type() {
      return "NoneType";
    }
  }

  /// What is not there: prints as nothing, is false and empty, and fails with `why` when used
  /// otherwise.
  record Undefined(String why) implements Value {
    @Override
    public String type() {
      return "Undefined";
    }
  }

  record Bool(boolean value) implements Value {
    static final Bool TRUE = new Bool(true);
    static final Bool FALSE = new Bool(false);

    static Bool of(boolean value) {
      return value ? TRUE : FALSE;
    }

    @Override
    public String type() {
      return "bool";
    }
  }

  record Int(long value) implements Value {
    @Override
    public String type() {
      return "int";
    }
  }

  record Real(double value) implements Value {
    @Override
    public String type() {
      return "float";
    }
  }

  record Str(String text) implements Value {
    static final Str EMPTY = new Str("");

    @Override
    public String type() {
      return "str";
    }

    @Override
    public long weight() {
      return 1L + text.length() / 16;
    }
  }

  /// A list, tuple, range, or view of a dict.
  record Seq(Kind kind, List<Value> items, long weight) implements Value {
    enum Kind {
      LIST("list"),
      TUPLE("tuple"),
      RANGE("range"),
      KEYS("dict_keys"),
      VALUES("dict_values"),
      ITEMS("dict_items");

      final String type;

      Kind(String type) {
        this.type = type;
      }
    }

    static Seq of(Kind kind, List<Value> items) {
      return new Seq(kind, List.copyOf(items), weigh(items));
    }

    static Seq list(List<Value> items) {
      return of(Kind.LIST, items);
    }

    static Seq tuple(Value... items) {
      return of(Kind.TUPLE, List.of(items));
    }

    /// Whether it can be indexed, which views cannot.
    boolean indexed() {
      return switch (kind) {
        case LIST, TUPLE, RANGE -> true;
        case KEYS, VALUES, ITEMS -> false;
      };
    }

    @Override
    public String type() {
      return kind.type;
    }
  }

  /// A dict in insertion order. Keys that are equal in Python (`1`, `1.0`, `True`) are one key.
  final class Dict implements Value {
    /// Tuples beyond this size cannot be keys, for comparing keys is not paid for.
    static final int MAX_KEY_WEIGHT = 1000;

    private static final Value NOTHING = new Undefined("");

    private final Map<Value, Entry> entries = new LinkedHashMap<>();
    private final long weight;

    record Entry(Value key, Value value) {
      Seq toTuple() {
        return Seq.tuple(key, value);
      }
    }

    Dict(List<Entry> list) {
      for (var entry : list) {
        var same = canonical(entry.key());
        var earlier = entries.get(same);
        entries.put(same, earlier == null ? entry : new Entry(earlier.key(), entry.value()));
      }
      long sum = 1;
      for (var entry : entries.values()) {
        sum = Math.addExact(sum, entry.key().weight() + entry.value().weight());
      }
      weight = sum;
    }

    @Nullable Value get(Value key) {
      var entry = entries.get(canonical(key));
      return entry == null ? null : entry.value();
    }

    @Nullable Value get(String key) {
      return get(new Str(key));
    }

    int size() {
      return entries.size();
    }

    Collection<Entry> entries() {
      return entries.values();
    }

    List<Value> keys() {
      return entries.values().stream().map(Entry::key).toList();
    }

    List<Value> values() {
      return entries.values().stream().map(Entry::value).toList();
    }

    List<Value> items() {
      return entries.values().stream().<Value>map(Entry::toTuple).toList();
    }

    @Override
    public String type() {
      return "dict";
    }

    @Override
    public long weight() {
      return weight;
    }

    /// One representative for all values that Python takes for the same key.
    static Value canonical(Value key) {
      return switch (key) {
        case Bool(var b) -> new Int(b ? 1 : 0);
        case Real(var d) when d == Math.rint(d) && Math.abs(d) < 0x1p62 -> new Int((long) d);
        case Seq seq when seq.kind() == Seq.Kind.TUPLE && seq.weight() < MAX_KEY_WEIGHT ->
            Seq.of(Seq.Kind.TUPLE, seq.items().stream().map(Dict::canonical).toList());
        case None _, Int _, Real _, Str _ -> key;
        case Undefined _ -> NOTHING;
        case Seq _, Dict _, Namespace _, Stream _, Function _, Loop _ ->
            throw new Failure(key.described() + " cannot be a key of a dict");
      };
    }
  }

  /// The one thing a template can assign into: `namespace(found=false)`.
  final class Namespace implements Value {
    final Map<String, Value> fields = new LinkedHashMap<>();

    @Override
    public String type() {
      return "Namespace";
    }
  }

  /// What lazy filters such as `map` and `select` give: true whatever it holds, and gone once read.
  final class Stream implements Value {
    private final ArrayDeque<Value> rest;

    Stream(Collection<Value> items) {
      rest = new ArrayDeque<>(items);
    }

    @Nullable Value next() {
      return rest.poll();
    }

    List<Value> drain() {
      var all = List.copyOf(rest);
      rest.clear();
      return all;
    }

    @Override
    public String type() {
      return "generator";
    }
  }

  /// A macro, a method bound to its object, or a global function.
  record Function(String name, Body body) implements Value {
    interface Body {
      Value call(Args args);
    }

    @Override
    public String type() {
      return "function";
    }
  }

  /// The `loop` variable at one turn.
  record Loop(List<Value> items, int index, Map<String, Value> memory) implements Value {
    @Override
    public String type() {
      return "LoopContext";
    }
  }

  private static long weigh(List<Value> items) {
    long sum = 1;
    for (var item : items) {
      sum = Math.addExact(sum, item.weight());
    }
    return sum;
  }

  /// What a Java value looks like to a template: null, text, numbers, booleans, maps with text
  /// keys, lists and [Message]s, nested at most 100 deep.
  static Value of(@Nullable Object object) {
    return of(object, 0);
  }

  private static Value of(@Nullable Object object, int depth) {
    if (depth > 100) {
      throw new IllegalArgumentException("is nested deeper than 100 levels");
    }
    return switch (object) {
      case null -> None.NONE;
      case Value value -> value;
      case Boolean b -> Bool.of(b);
      case Byte _, Short _, Integer _, Long _ -> new Int(((Number) object).longValue());
      case Float _, Double _ -> new Real(((Number) object).doubleValue());
      case CharSequence text -> new Str(text.toString());
      case Message(var role, var content) ->
          new Dict(List.of(entry("role", new Str(role)), entry("content", new Str(content))));
      case Map<?, ?> map -> {
        var entries = new ArrayList<Dict.Entry>();
        map.forEach((key, value) -> entries.add(entry(String.valueOf(key), of(value, depth + 1))));
        yield new Dict(entries);
      }
      case Iterable<?> items -> {
        var list = new ArrayList<Value>();
        items.forEach(item -> list.add(of(item, depth + 1)));
        yield Seq.list(list);
      }
      default ->
          throw new IllegalArgumentException(
              "has the type "
                  + object.getClass().getName()
                  + "; give null, text, numbers, booleans, maps or lists");
    };
  }

  private static Dict.Entry entry(String key, Value value) {
    return new Dict.Entry(new Str(key), value);
  }
}
