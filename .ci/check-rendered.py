"""What a schema cannot say of the rendered manifests: check-rendered.py FILE. Each line here was a decision, see deploy/README.md."""

import sys

import yaml


def problems(objects):
    by_kind = {}
    for one in objects:
        by_kind.setdefault(one["kind"], []).append(one)
    for kind in ("Deployment", "Service", "ConfigMap", "PodDisruptionBudget"):
        if kind not in by_kind:
            yield f"no {kind}"
    for deployment in by_kind.get("Deployment", []):
        spec = deployment["spec"]
        pod = spec["template"]["spec"]
        if spec.get("replicas", 1) < 2:
            yield "fewer than two replicas: a pod that ends closes the door"
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        if spec["strategy"] != rolling:
            yield f"the strategy is not {rolling}: a rollout would narrow the door"
        if not any(one["topologyKey"] == "kubernetes.io/hostname" for one in pod.get("topologySpreadConstraints", [])):
            yield "the replicas are not spread over nodes"
        # The service's own grace of 25 s and what its listeners may take beside it.
        if pod.get("terminationGracePeriodSeconds", 30) < 35:
            yield "a pod is killed before it has handed its tenants over"
        if not pod["securityContext"].get("runAsNonRoot"):
            yield "the pod may run as root"
        if pod.get("automountServiceAccountToken") is not False:
            yield "the pod mounts a token it has no use for"
        names = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            context = container["securityContext"]
            if context.get("allowPrivilegeEscalation") is not False or context["capabilities"].get("drop") != ["ALL"]:
                yield "privileges are not dropped"
            if not context.get("readOnlyRootFilesystem"):
                yield "the root file system is writable"
            probes = [container.get(probe, {}).get("httpGet", {}).get("path") for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
            if probes != ["/startupz", "/livez", "/readyz"]:
                yield f"probes are {probes}"
            for mount in container["volumeMounts"]:
                if mount["name"] not in names:
                    yield f"no volume {mount['name']}"
            for entry in container.get("env", []):
                if "secretKeyRef" in entry.get("valueFrom", {}):
                    yield f"{entry['name']}: secrets come as files, an environment is printed too easily"
    for budget in by_kind.get("PodDisruptionBudget", []):
        spec = budget["spec"]
        labels = [one["spec"]["template"]["metadata"]["labels"] for one in by_kind.get("Deployment", [])]
        if spec.get("maxUnavailable") != 1 or not any(spec["selector"]["matchLabels"].items() <= label.items() for label in labels):
            yield "the disruption budget does not keep all pods but one"
    for service in by_kind.get("Service", []):
        selector = service["spec"]["selector"]
        labels = [one["spec"]["template"]["metadata"]["labels"] for one in by_kind.get("Deployment", [])]
        if not any(selector.items() <= label.items() for label in labels):
            yield f"Service {service['metadata']['name']} selects nothing"


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(problems([one for one in yaml.safe_load_all(file) if one]))
    for problem in found:
        print(f"deploy/base: {problem}", file=sys.stderr)
    if not found:
        print("deploy/base: renders, is valid, and keeps its promises")
    return 1 if found else 0


sys.exit(main())
