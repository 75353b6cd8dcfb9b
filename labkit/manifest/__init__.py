"""From YAML to typed, validated objects. Pure."""
