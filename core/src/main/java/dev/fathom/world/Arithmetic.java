package dev.fathom.world;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;

/// Word arithmetic in digits: every number, also on the way, is 0 to 30.
final class Arithmetic {
  static final int LARGEST = 30;

  /// What a relation computes: the sum, with these signs, of its operands.
  private static final Map<String, List<Integer>> SIGNS =
      Map.of(
          "add", List.of(1, 1),
          "add_story", List.of(1, 1),
          "subtract", List.of(1, -1),
          "subtract_story", List.of(1, -1),
          "add_add", List.of(1, 1, 1),
          "add_subtract", List.of(1, 1, -1),
          "subtract_add", List.of(1, -1, 1));

  /// Relations in the shares in which they are drawn.
  private static final List<String> MIX =
      List.of(
          "add",
          "add",
          "add",
          "add",
          "add_story",
          "add_story",
          "subtract",
          "subtract",
          "subtract",
          "subtract",
          "subtract_story",
          "subtract_story",
          "add_add",
          "add_subtract",
          "subtract_add");

  /// The largest operand where there are three.
  private static final int LARGEST_OF_THREE = 9;

  private static final List<String> OPERANDS = List.of("a", "b", "c");

  private final World world;

  Arithmetic(World world) {
    this.world = world;
  }

  /// A calculation.
  ///
  /// @param heldOut whether one that no training text has
  Cloze draw(Random random, boolean heldOut) {
    while (true) {
      Template template = Chance.pick(random, world.templates(Chance.pick(random, MIX), false));
      List<Integer> signs = SIGNS.getOrDefault(template.relation(), List.of());
      boolean story = template.slots().contains("name");
      int largest = signs.size() > 2 ? LARGEST_OF_THREE : LARGEST;
      List<Integer> operands =
          Stream.generate(() -> random.nextInt(largest + 1)).limit(signs.size()).toList();
      if (isPossible(operands, signs, story) && World.isSumHeldOut(template, operands) == heldOut) {
        return fill(template, operands, signs, random);
      }
    }
  }

  /// Numbers in order, up or down, by one or by two.
  Cloze count(Random random) {
    int length = 4 + random.nextInt(4);
    int by = 1 + random.nextInt(2);
    int from = random.nextInt(LARGEST + 1 - by * (length - 1));
    boolean up = random.nextBoolean();
    var numbers = new ArrayList<String>();
    for (int i = 0; i < length; i++) {
      numbers.add(Integer.toString(from + by * (up ? i : length - 1 - i)));
    }
    String last = numbers.removeLast();
    String prompt =
        "Count %s by %d: %s,".formatted(up ? "up" : "down", by, String.join(", ", numbers));
    return new Cloze(
        prompt, " " + last, near(Integer.parseInt(last)).stream().map(n -> " " + n).toList(), ".");
  }

  /// Stories are not about nothing.
  private static boolean isPossible(List<Integer> operands, List<Integer> signs, boolean story) {
    int sum = 0;
    for (int i = 0; i < operands.size(); i++) {
      sum += signs.get(i) * operands.get(i);
      if (sum < 0 || sum > LARGEST || (story && operands.get(i) == 0)) {
        return false;
      }
    }
    return true;
  }

  private Cloze fill(
      Template template, List<Integer> operands, List<Integer> signs, Random random) {
    var values = new HashMap<String, String>();
    int sum = 0;
    for (int i = 0; i < operands.size(); i++) {
      values.put(OPERANDS.get(i), operands.get(i).toString());
      sum += signs.get(i) * operands.get(i);
    }
    values.put("o", Integer.toString(sum));
    Person person = Chance.pick(random, world.persons());
    Person friend = person;
    while (friend.equals(person) || World.areNamesHeldOut(person.name(), friend.name())) {
      friend = Chance.pick(random, world.persons());
    }
    values.put("name", person.name());
    values.put("he", person.he());
    values.put("him", person.him());
    values.put("friend", friend.name());
    String things = Chance.pick(random, world.words("thing"));
    values.put("things", things);
    return countedRight(template.fill(values, near(sum)), things);
  }

  /// Other numbers close by.
  private static List<String> near(int sum) {
    return Stream.of(sum - 1, sum + 1, sum - 2, sum + 2)
        .filter(n -> n >= 0 && n <= LARGEST)
        .limit(3)
        .map(String::valueOf)
        .toList();
  }

  /// The same with `1 apple` for `1 apples`.
  private static Cloze countedRight(Cloze cloze, String things) {
    String one = " 1 " + singular(things);
    String prompt = cloze.prompt().replace(" 1 " + things, one);
    String rest = cloze.rest();
    if (cloze.answer().equals(" 1") && rest.startsWith(" " + things)) {
      rest = " " + singular(things) + rest.substring(things.length() + 1);
    }
    return new Cloze(prompt, cloze.answer(), cloze.foils(), rest);
  }

  static String singular(String things) {
    if (things.endsWith("ies") && !things.equals("cookies")) {
      return things.substring(0, things.length() - 3) + "y";
    }
    boolean hissing = things.matches(".*(ch|sh|x|ss|o)es");
    return things.substring(0, things.length() - (hissing ? 2 : 1));
  }
}
