"""Reads the dashboard and the provisioned alerts into Grafana's own models and writes them out again.

A value that changes is a key that Grafana does not know. A value whose type differs from its model has a wrong type. The exit code
is 1 if there is either.
"""

import enum
import json
import sys
import types
import typing

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import alerting, dashboard, expr, prometheus

# The models describe the API, which spells these keys differently from the files.
FILE = {"apiVersion": int, "groups": list}
GROUP = {"orgId": int, "name": str, "folder": str, "interval": str, "rules": list}
RULE = {"keepFiringFor": str, "dashboardUid": str, "panelId": int}
# These keys of an annotation belong to its data source, here Prometheus; the dashboard's model does not have them.
ANNOTATION = {"titleFormat": str, "textFormat": str, "tagKeys": str}


def lost(before, after, path):
    """Lists the places where the second value lacks or changes something of the first."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}: an unknown key"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before!r} becomes {after!r}"


def is_of(value, hint):
    """Whether a value has an annotated type; `mistyped` checks the fields of models."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in (typing.Any, object) or isinstance(hint, typing.TypeVar):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(is_of(value, one) for one in inner)
    if origin is typing.Literal:
        return value in inner
    if origin is list:
        return isinstance(value, list) and all(is_of(one, inner[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(is_of(key, inner[0]) and is_of(one, inner[1]) for key, one in value.items())
    # Some models keep a part as the raw value.
    if isinstance(value, dict) and hasattr(hint, "from_json"):
        return not read_as(hint, value, "")
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [one.value for one in hint]
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def mistyped(value, path):
    """Lists the places where a value does not have the type that its model declares."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from mistyped(one, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from mistyped(one, f"{path}.{key}")
    elif hasattr(value, "to_json"):
        for name, hint in typing.get_type_hints(type(value)).items():
            held = getattr(value, name)
            if is_of(held, hint):
                yield from mistyped(held, f"{path}.{name}")
            else:
                yield f"{path}.{name}: {held!r} is not of the type {hint}"


def read_as(model, document, path):
    """Lists the problems of a document that should match this model."""
    try:
        read = model.from_json(document)
        written = json.loads(json.dumps(read, cls=JSONEncoder))
    # Any exception of a model is a problem of the document.
    except Exception as error:  # pylint: disable=broad-except
        return [f"{path}: not readable: {error!r}"]
    return [*lost(document, written, path), *mistyped(read, path)]


def known(document, keys, path, others=()):
    """Lists the problems of keys that exist only in the files."""
    for key, value in document.items():
        if key in keys:
            if not is_of(value, keys[key]):
                yield f"{path}.{key}: {value!r} is not of the type {keys[key]}"
        elif key not in others:
            yield f"{path}.{key}: an unknown key"


def without(document, keys):
    """The document without these keys."""
    return {key: value for key, value in document.items() if key not in keys}


def panels(document):
    """Lists the problems of a dashboard."""
    annotations = document["annotations"]["list"]
    for annotation in annotations:
        path = annotation["name"]
        yield from known(annotation, ANNOTATION, path, others=annotation.keys() - ANNOTATION.keys())
        if "target" in annotation:
            yield from read_as(prometheus.Dataquery, annotation["target"], f"{path}.target")
    plain = [without(annotation, ANNOTATION.keys() | {"target"}) for annotation in annotations]
    yield from read_as(dashboard.Dashboard, {**document, "annotations": {**document["annotations"], "list": plain}}, "")


def alerts(document):
    """Lists the problems of a file of provisioned alert rules."""
    yield from known(document, FILE, "")
    for group in document["groups"]:
        yield from known(group, GROUP, group["name"])
        for rule in group["rules"]:
            path = rule.get("title", group["name"])
            yield from known(rule, RULE, path, others=rule.keys() - RULE.keys())
            for query in rule["data"]:
                kind = expr.TypeMath if query["datasourceUid"] == "__expr__" else prometheus.Dataquery
                yield from read_as(kind, query["model"], f"{path}.{query['refId']}")
            queries = [without(query, {"model"}) for query in rule["data"]]
            yield from read_as(alerting.Rule, {**without(rule, RULE), "data": queries}, path)


def main():
    """Checks the files given as arguments."""
    register_default_plugins()
    findings = []
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            document = yaml.safe_load(file)
        try:
            findings += [f"{name}: {line}" for line in (alerts(document) if name.endswith(".yaml") else panels(document))]
        # Without its top-level keys a document cannot be traversed.
        except (AttributeError, KeyError, TypeError) as error:
            findings.append(f"{name}: not readable: {error!r}")
    print("\n".join(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
