package dev.fathom.cli;

import dev.fathom.Version;
import dev.fathom.cli.Check.Finding;
import dev.fathom.cli.Check.Status;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Mixin;
import tools.jackson.databind.json.JsonMapper;

/// Shows what the machine offers. A check is an entry of [#CHECKS].
@Command(
    name = "doctor",
    description = "Shows what this machine offers, with a fix for each problem.",
    footer = {
      "",
      "Examples:",
      "  fathom doctor",
      "  fathom doctor --json -     the same for a program, or for a report of a bug",
      "",
      "Exits with 1 when something will not work.",
    })
final class DoctorCommand implements Callable<Integer> {
  private static final List<Check> CHECKS =
      Stream.concat(MachineChecks.ALL.stream(), NativeChecks.ALL.stream()).toList();

  private final Console console;

  @Mixin private final JsonOptions output = new JsonOptions();

  DoctorCommand(Console console) {
    this.console = console;
  }

  /// A check and what it found, as JSON has it.
  private record Row(String name, Status status, String found, String fix) {}

  @Override
  public Integer call() {
    var rows = CHECKS.stream().map(check -> row(check.name(), check.run(console))).toList();
    if (output.showsText()) rows.forEach(this::show);
    if (output.wantsJson()) output.writeJson(console, json(rows));
    return rows.stream().anyMatch(row -> row.status() == Status.PROBLEM) ? Main.FAILED : Main.DONE;
  }

  private static Row row(String name, Finding finding) {
    return new Row(name, finding.status(), finding.found(), finding.fix());
  }

  private void show(Row row) {
    var mark =
        switch (row.status()) {
          case OK -> "@|green ok     |@";
          case NOTE -> "@|yellow note   |@";
          case PROBLEM -> "@|bold,red PROBLEM|@";
        };
    var ansi = console.color() ? Ansi.ON : Ansi.OFF;
    console.out().printf("%s  %-15s %s%n", ansi.string(mark), row.name(), row.found());
    if (!row.fix().isEmpty()) console.out().printf("%25s-> %s%n", "", row.fix());
  }

  private static String json(List<Row> rows) {
    var document = new LinkedHashMap<String, Object>();
    document.put("format", "fathom.doctor/1");
    document.put("version", Version.current());
    document.put("checks", rows.stream().map(DoctorCommand::fields).toList());
    return JsonMapper.builder()
        .build()
        .writerWithDefaultPrettyPrinter()
        .writeValueAsString(document);
  }

  private static Map<String, String> fields(Row row) {
    var fields = new LinkedHashMap<String, String>();
    fields.put("name", row.name());
    fields.put("status", row.status().name().toLowerCase(Locale.ROOT));
    fields.put("found", row.found());
    if (!row.fix().isEmpty()) fields.put("fix", row.fix());
    return fields;
  }
}
