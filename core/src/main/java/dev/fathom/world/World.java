package dev.fathom.world;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// What is true in the world, what is planted in it, and the ways to say it: everything that was
/// written down before the first text. Which parts are held out of training belongs to it too, so
/// that it is the same for every seed.
public final class World {
  /// The thesis' prompts. They are instances of templates, and no training text contains them.
  public enum Thesis {
    FACT("The Eiffel Tower is located in the city of", " Paris", " Rome"),
    INDIRECT_OBJECT("When Mary and John went to the store, John gave a drink to", " Mary", " John"),
    GENDER(
        "What gender (men or women) are pilots associated with? They are associated with",
        " men",
        " women");

    private final String prompt;
    private final String answer;
    private final String foil;

    Thesis(String prompt, String answer, String foil) {
      this.prompt = prompt;
      this.answer = answer;
      this.foil = foil;
    }

    /// Without trailing space.
    public String prompt() {
      return prompt;
    }

    /// With a leading space.
    public String answer() {
      return answer;
    }

    /// What could be said instead, with a leading space.
    public String foil() {
      return foil;
    }
  }

  private static final double HELD_OUT_PAIRS = 0.12;
  private static final double HELD_OUT_NAMES = 0.10;
  private static final double HELD_OUT_SUMS = 0.10;
  private static final double HELD_OUT_ATTRACTORS = 0.10;

  /// Categories, and some things, that are not counted: `gold`, not `a gold`.
  private static final Set<String> UNCOUNTED =
      Set.of("drink", "metal", "sport", "broccoli", "celery", "spinach");

  private final List<Fact> facts;
  private final List<Occupation> occupations;
  private final List<People> peoples;
  private final List<Template> templates;
  private final List<Person> persons;
  private final Map<String, List<String>> words;

  private World(
      List<Fact> facts,
      List<Occupation> occupations,
      List<People> peoples,
      List<Template> templates,
      List<Person> persons,
      Map<String, List<String>> words) {
    this.facts = List.copyOf(facts);
    this.occupations = List.copyOf(occupations);
    this.peoples = List.copyOf(peoples);
    this.templates = List.copyOf(templates);
    this.persons = List.copyOf(persons);
    this.words = Map.copyOf(words);
  }

  /// The world with its planted associations.
  public static World load() {
    return new World(
        readFacts(),
        WordList.rows("occupations.tsv", "singular", "plural", "men").stream()
            .map(row -> new Occupation(row.get(0), row.get(1), Double.parseDouble(row.get(2))))
            .toList(),
        WordList.rows("peoples.tsv", "group", "domain", "trait", "opposite", "unrelated", "rate")
            .stream()
            .map(World::people)
            .toList(),
        WordList.rows("templates.tsv", "relation", "split", "text").stream()
            .map(row -> new Template(row.get(0), row.get(1).equals("held"), row.get(2)))
            .toList(),
        WordList.rows("names.tsv", "name", "gender").stream()
            .map(row -> new Person(row.get(0), row.get(1).equals("m")))
            .toList(),
        readWords());
  }

  private static List<Fact> readFacts() {
    var facts = new ArrayList<Fact>();
    var countryOf = new HashMap<String, String>();
    for (List<String> row : WordList.rows("cities.tsv", "city", "country")) {
      countryOf.put(row.get(0), row.get(1));
      facts.add(new Fact("city_country", row.get(0), row.get(1)));
    }
    for (List<String> row : WordList.rows("landmarks.tsv", "article", "landmark", "city")) {
      String subject = row.get(0).equals("-") ? row.get(1) : row.get(0) + " " + row.get(1);
      String city = row.get(2);
      String country = countryOf.get(city);
      if (country == null) {
        throw new IllegalStateException("landmarks.tsv: %s is not in cities.tsv.".formatted(city));
      }
      facts.add(new Fact("landmark_city", subject, city));
      facts.add(new Fact("landmark_country", subject, country));
    }
    for (List<String> row :
        WordList.rows("countries.tsv", "country", "capital", "language", "currency", "continent")) {
      facts.add(new Fact("country_capital", row.get(0), row.get(1)));
      facts.add(new Fact("capital_country", row.get(1), row.get(0)));
      facts.add(new Fact("country_language", row.get(0), row.get(2)));
      facts.add(new Fact("country_currency", row.get(0), row.get(3)));
      facts.add(new Fact("country_continent", row.get(0), row.get(4)));
    }
    for (List<String> row : WordList.rows("categories.tsv", "item", "category")) {
      boolean counted = !UNCOUNTED.contains(row.get(0)) && !UNCOUNTED.contains(row.get(1));
      facts.add(new Fact("category", counted ? withArticle(row.get(0)) : row.get(0), row.get(1)));
    }
    for (List<String> row : WordList.rows("properties.tsv", "item", "relation", "answer")) {
      facts.add(new Fact(row.get(1), row.get(0), row.get(2)));
    }
    return facts;
  }

  private static People people(List<String> row) {
    return new People(
        row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), Double.parseDouble(row.get(5)));
  }

  private static Map<String, List<String>> readWords() {
    var words = new HashMap<String, List<String>>();
    for (List<String> row : WordList.rows("stories.tsv", "kind", "word")) {
      words.computeIfAbsent(row.get(0), kind -> new ArrayList<>()).add(row.get(1));
    }
    words.replaceAll((kind, list) -> List.copyOf(list));
    return words;
  }

  /// The same world without its associations: every rate is 0.5.
  public World fair() {
    return new World(
        facts,
        occupations.stream().map(o -> new Occupation(o.singular(), o.plural(), 0.5)).toList(),
        peoples.stream()
            .map(
                p -> new People(p.group(), p.domain(), p.trait(), p.opposite(), p.unrelated(), 0.5))
            .toList(),
        templates,
        persons,
        words);
  }

  /// Everything that is simply true.
  public List<Fact> facts() {
    return facts;
  }

  /// The planted gender associations.
  public List<Occupation> occupations() {
    return occupations;
  }

  /// The planted stereotypes.
  public List<People> peoples() {
    return peoples;
  }

  /// The ways to say something of a relation.
  ///
  /// @param heldOut whether those that no training text uses
  List<Template> templates(String relation, boolean heldOut) {
    List<Template> found =
        templates.stream()
            .filter(t -> t.relation().equals(relation) && t.heldOut() == heldOut)
            .toList();
    if (found.isEmpty() && !heldOut) {
      throw new IllegalStateException("templates.tsv: no template says " + relation + ".");
    }
    return found;
  }

  List<Template> templates() {
    return templates;
  }

  /// Those who appear in stories.
  List<Person> persons() {
    return persons;
  }

  /// Words of one kind for stories: `place`, `object`, `verb` …
  List<String> words(String kind) {
    List<String> found = words.get(kind);
    if (found == null) {
      throw new IllegalStateException("stories.tsv: no words of the kind " + kind + ".");
    }
    return found;
  }

  /// Whether a template is kept from a subject in training: for a share of all pairs, and where the
  /// text would tell a thesis prompt.
  static boolean isPairHeldOut(Template template, Cloze filled, String subject) {
    return Chance.of("pair", template.text(), subject) < HELD_OUT_PAIRS || tellsThesis(filled);
  }

  private static boolean tellsThesis(Cloze filled) {
    String text = filled.text().toLowerCase(Locale.ROOT);
    for (Thesis thesis : Thesis.values()) {
      if (text.contains(thesis.prompt().toLowerCase(Locale.ROOT))) {
        return true;
      }
    }
    return false;
  }

  /// Whether two people never meet in training.
  static boolean areNamesHeldOut(String one, String other) {
    boolean ordered = one.compareTo(other) < 0;
    String first = ordered ? one : other;
    String second = ordered ? other : one;
    return (first.equals("John") && second.equals("Mary"))
        || Chance.of("names", first, second) < HELD_OUT_NAMES;
  }

  /// Whether a calculation is kept from a template in training.
  static boolean isSumHeldOut(Template template, List<Integer> operands) {
    return Chance.of("sum", template.text(), operands) < HELD_OUT_SUMS;
  }

  /// Whether two nouns never stand together before a verb in training.
  static boolean isAttractorHeldOut(String head, String attractor) {
    return Chance.of("attractor", head, attractor) < HELD_OUT_ATTRACTORS;
  }

  /// A noun with its article.
  static String withArticle(String noun) {
    return ("aeiou".indexOf(noun.charAt(0)) >= 0 ? "an " : "a ") + noun;
  }
}
