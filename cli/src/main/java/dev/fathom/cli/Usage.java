package dev.fathom.cli;

import static picocli.CommandLine.Model.UsageMessageSpec.SECTION_KEY_COMMAND_LIST;
import static picocli.CommandLine.Model.UsageMessageSpec.SECTION_KEY_COMMAND_LIST_HEADING;
import static picocli.CommandLine.Model.UsageMessageSpec.SECTION_KEY_OPTION_LIST;
import static picocli.CommandLine.Model.UsageMessageSpec.SECTION_KEY_OPTION_LIST_HEADING;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Help;
import picocli.CommandLine.Model.OptionSpec;

/// How help looks: verbs under the headings of their groups, and options under the heading of what
/// they are about, which is known from the class that declares them.
final class Usage {
  private static final String OWN = "Options";

  /// Headings in the order in which they are shown, after the command's own options.
  private static final Map<Class<?>, String> HEADINGS = new LinkedHashMap<>();

  static {
    HEADINGS.put(ModelOptions.class, "Model");
    HEADINGS.put(EditOptions.class, "Model");
    HEADINGS.put(ComputeOptions.class, "Model");
    HEADINGS.put(MixtureOptions.class, "Model");
    HEADINGS.put(PromptOptions.class, "Prompt");
    HEADINGS.put(RecipeOptions.class, "Learning");
    HEADINGS.put(DecodingOptions.class, "Generation");
    HEADINGS.put(DolaOptions.class, "Generation");
    HEADINGS.put(ReasoningOptions.class, "Reasoning tests");
    HEADINGS.put(BiasOptions.class, "Bias tests");
    HEADINGS.put(PerplexityOptions.class, "Perplexity");
    HEADINGS.put(SeedOption.class, "Chance");
    HEADINGS.put(JsonOptions.class, "Output");
    HEADINGS.put(OutputOptions.class, "Output");
    HEADINGS.put(FathomCommand.class, "Everywhere");
  }

  private Usage() {}

  /// Lays out the help of `root` and of every verb below it. `groups` has the group of each
  /// subcommand, in order.
  static void layOut(CommandLine root, List<Commands.Group> groups) {
    var sections = root.getHelpSectionMap();
    sections.put(SECTION_KEY_COMMAND_LIST_HEADING, _ -> "");
    sections.put(
        SECTION_KEY_COMMAND_LIST,
        help -> verbs(List.copyOf(help.allSubcommands().values()), groups));
    var keys = new ArrayList<>(root.getHelpSectionKeys());
    keys.removeAll(List.of(SECTION_KEY_COMMAND_LIST_HEADING, SECTION_KEY_COMMAND_LIST));
    keys.addAll(
        keys.indexOf(SECTION_KEY_OPTION_LIST_HEADING),
        List.of(SECTION_KEY_COMMAND_LIST_HEADING, SECTION_KEY_COMMAND_LIST));
    root.setHelpSectionKeys(keys);
    byTopic(root);
  }

  private static void byTopic(CommandLine line) {
    line.getHelpSectionMap().put(SECTION_KEY_OPTION_LIST_HEADING, _ -> "");
    line.getHelpSectionMap().put(SECTION_KEY_OPTION_LIST, Usage::options);
    line.getSubcommands().values().forEach(Usage::byTopic);
  }

  private static String options(Help help) {
    var topics = new LinkedHashMap<String, List<OptionSpec>>();
    topics.put(OWN, new ArrayList<>());
    HEADINGS.values().forEach(heading -> topics.put(heading, new ArrayList<>()));
    for (var option : help.commandSpec().options()) {
      topics.computeIfAbsent(topic(option), _ -> new ArrayList<>()).add(option);
    }
    var text = new StringBuilder();
    topics.forEach((topic, options) -> {
      if (options.isEmpty()) return;
      text.append("%n%s:%n".formatted(topic)).append(help.optionListExcludingGroups(options));
    });
    return text.toString();
  }

  private static String topic(OptionSpec option) {
    return option.userObject() instanceof Field field
        ? HEADINGS.getOrDefault(field.getDeclaringClass(), OWN)
        : OWN;
  }

  private static String verbs(List<Help> verbs, List<Commands.Group> groups) {
    var text = new StringBuilder();
    for (var group : Commands.Group.values()) {
      if (group == Commands.Group.HIDDEN || !groups.contains(group)) continue;
      text.append("%n%s:%n".formatted(group.heading));
      for (int i = 0; i < groups.size(); i++) {
        if (groups.get(i) != group) continue;
        var spec = verbs.get(i).commandSpec();
        var name = verbs.get(i).colorScheme().commandText("%-12s".formatted(spec.name()));
        text.append("  %s%s%n".formatted(name, spec.usageMessage().description()[0]));
      }
    }
    return text.toString();
  }
}
