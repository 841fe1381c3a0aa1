"""The Dockerfile and the unit as hadolint, dpkg and systemd read them; and the pages' own examples."""
import os
import re
import shutil
import subprocess

import pytest
import yaml

from chart_test import BINARY, ROOT, VALIDATE, run

TOOLS = os.environ["TOOLS"]
DOCKERFILE, UNIT = ROOT + "/deploy/Dockerfile", ROOT + "/deploy/moongate.service"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def instructions(word):
    return re.findall(rf"^{word} (.*)$", read(DOCKERFILE).replace("\\\n", " "), re.M)


def sources():
    """What is copied from the repository."""
    return [path for copy in instructions("COPY") if not copy.startswith("--from") for path in copy.split()[:-1]]


def unit():
    return dict(re.findall(r"^(\w+)=(.*)$", read(UNIT), re.M))


def seconds(text):
    number, kind = re.fullmatch(r"(\d+)(s|min)", text).groups()
    return int(number) * {"s": 1, "min": 60}[kind]


def test_the_dockerfile_is_without_findings():
    run(TOOLS + "/deploy/bin/hadolint", DOCKERFILE)


def test_what_the_dockerfile_copies_is_there_and_is_let_in():
    assert {"Makefile", "gateway", "lua", "proto", "scripts", "spec/deps"} == set(sources())
    assert all(os.path.exists(f"{ROOT}/{path}") for path in sources())
    assert read(DOCKERFILE + ".dockerignore").split() == ["*", *sorted("!" + path for path in sources())]


def test_the_image_has_the_libraries_that_the_gateway_needs_and_no_others():
    if "VERSION_CODENAME=bookworm" not in read("/etc/os-release"):
        pytest.skip("packages are compared on Debian 12, which the image is made of")
    paths = dict(re.findall(r"(\S+) => (/\S+)", run("ldd", BINARY)))
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", BINARY))
    owners = {line.split(":")[0] for name in needed if name in paths
              for line in subprocess.run(["dpkg", "-S", paths[name], "/usr" + paths[name]], capture_output=True, text=True, check=False).stdout.splitlines()}
    assert len(owners) > 8
    installed = set(re.search(r"--no-install-recommends(.*?)&&", instructions("RUN")[-1]).group(1).split())
    assert installed == owners - {"libc6"} | {"ca-certificates"}


def test_image_and_chart_agree():
    values, chart = yaml.safe_load(read(ROOT + "/deploy/helm/moongate/values.yaml")), yaml.safe_load(read(ROOT + "/deploy/helm/moongate/Chart.yaml"))
    user = "{runAsUser}:{runAsGroup}".format(**values["podSecurityContext"])
    assert instructions("USER") == [user] and f"--uid {user.split(':')[0]}" in instructions("RUN")[-1]
    assert yaml.safe_load(instructions("ENTRYPOINT")[0]) == ["moongate"]
    assert yaml.safe_load(instructions("CMD")[0]) == ["run", "-c", "/etc/moongate/moongate.yaml"]
    assert instructions("EXPOSE") == ["8088 8089 9090"] and instructions("VOLUME") == ["/var/lib/moongate"]
    version = re.search(r"^VERSION \?= (\S+)", read(ROOT + "/Makefile"), re.M).group(1)
    assert version == chart["appVersion"] == str(chart["version"])


def test_systemd_takes_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze: only the unit's keys are looked at")
    for wrong in ("ProtectSystem=srtict\n", ""):
        path = tmp_path / "moongate.service"
        path.write_text(read(UNIT).replace("/usr/local/bin/moongate", BINARY).replace("[Install]", wrong + "[Install]"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "moongate" in line or "srtict" in line]
        assert bool(said) == bool(wrong), said


def test_the_unit_waits_for_the_gateway_and_ends_it_in_time():
    u = unit()
    assert u["StartLimitIntervalSec"] == "0"       # a gateway that gives up after five failed starts is away until somebody looks
    assert u["Type"] == "notify" and u["Restart"] == "on-failure" and u["ProtectSystem"] == "strict" and u["StateDirectory"] == "moongate"
    assert seconds(u["TimeoutStopSec"]) > 25 and u["CapabilityBoundingSet"] == "" and u["NoNewPrivileges"] == "yes" and u["DynamicUser"] == "yes"


def test_the_sidecar_of_the_page_is_valid(tmp_path):
    blocks = [yaml.safe_load(b) for b in re.findall(r"^```yaml\n(.*?)^```", read(ROOT + "/deploy/README.md"), re.M | re.S)]
    admin = next(b["flyteadmin"] for b in blocks if "flyteadmin" in b)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
           "spec": {"containers": admin["additionalContainers"], "volumes": admin["additionalVolumes"]}}
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    run(VALIDATE, "--strict", str(tmp_path / "pod.yaml"))
    config = next(b for b in blocks if "ingest" in b)
    assert all(c["readinessProbe"]["httpGet"]["path"] == "/healthz" for c in admin["additionalContainers"])   # a full log must not take FlyteAdmin away
    ports = {p["containerPort"] for c in admin["additionalContainers"] for p in c["ports"]}
    assert {int(x["listen"].rsplit(":")[-1]) for x in (config["ingest"]["grpc"], config["admin"])} == ports
    (tmp_path / "moongate.yaml").write_text(yaml.safe_dump(config))
    run(BINARY, "check", "-c", str(tmp_path / "moongate.yaml"))
