package dev.fathom.data;
import java.util.List;
public record Prompt(String text, int[] ids, List<String> tokens) { public int length() { return ids.length; } }
