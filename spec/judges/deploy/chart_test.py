"""The chart as helm renders it, each values file of ci/ and some more: valid for Kubernetes, and a configuration that the gateway takes."""
import glob
import os
import subprocess

import pytest
import yaml

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
CHART = os.path.join(ROOT, "deploy/helm/moongate")
HELM, BINARY = os.environ["TOOLS"] + "/bin/helm", os.environ["GW_BINARY"]
VALIDATE = os.environ["TOOLS"] + "/deploy/bin/kubernetes-validate"
CI = sorted(glob.glob(CHART + "/ci/*.yaml"))


def run(*argv, status=0, **more):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, **more)
    assert (done.returncode == 0) == (status == 0), f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def template(*args):
    return run(HELM, "template", "events", CHART, "-n", "flyte", *args)


def objects(text):
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(text) if o}


def one(text, kind):
    return next(o for (k, _), o in objects(text).items() if k == kind)


def pod(text):
    return one(text, "Deployment")["spec"]["template"]["spec"]


def container(text):
    return pod(text)["containers"][0]


def settings(text):
    """The text of moongate.yaml."""
    return next(o["data"]["moongate.yaml"] for (k, _), o in objects(text).items() if k == "ConfigMap" and "moongate.yaml" in o["data"])


def values(folder, text):
    path = folder / "values.yaml"
    path.write_text(text)
    return str(path)


def lay_out(folder, text):
    """moongate.yaml and its scripts in a folder as the pod has them, secrets as files; the path of the first."""
    for (kind, _), o in objects(text).items():
        for name, data in (o["data"] if kind == "ConfigMap" else {}).items():
            (folder / name).write_text(data.replace("/secrets/", f"{folder}/secrets/"))
    for mount in container(text)["volumeMounts"]:
        if mount["mountPath"].startswith("/secrets/"):
            (folder / mount["mountPath"][1:]).mkdir(parents=True)
    secret(folder, settings(text))
    return str(folder / "moongate.yaml")


def secret(folder, text):
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365", "-subj", "/CN=x",
        "-keyout", str(folder / "x.key"), "-out", str(folder / "x.crt"))
    for word in text.replace("}", " ").replace(",", " ").split():
        if word.startswith("/secrets/"):
            kind = os.path.splitext(word)[1]
            path = folder / word[1:]
            path.write_text((folder / ("x" + kind)).read_text() if kind in (".key", ".crt") else "me:abcdefghijklmnop0123456789\n")
            path.chmod(0o440)


@pytest.mark.parametrize("path", [None, *CI], ids=lambda p: os.path.basename(p) if p else "defaults")
def test_a_values_file_gives_what_kubernetes_and_the_gateway_take(path, tmp_path):
    args = ["-f", path] if path else []
    assert "0 chart(s) failed" in run(HELM, "lint", "--strict", CHART, *args)
    text = template(*args)
    rendered = tmp_path / "out.yaml"
    rendered.write_text(text)
    run(VALIDATE, "--strict", str(rendered))
    config = lay_out(tmp_path, text)
    if "token_file" in yaml.safe_load(settings(text))["admin"]:
        run(BINARY, "check", "--strict", "-c", config)
    else:    # nothing can be changed from outside, and that is said; nothing else is
        said = [line for line in run(BINARY, "check", "--strict", "-c", config, status=1).splitlines() if ": note: " not in line]
        assert len(said) == 1 and "there is no admin.token_file: nothing can be changed" in said[0]


def test_a_wrong_object_is_found_by_the_validator(tmp_path):
    """The judge judges."""
    path = tmp_path / "out.yaml"
    path.write_text(template().replace("replicas: 1", "replicas: one"))
    assert "replicas" in run(VALIDATE, "--strict", str(path), status=1)


def test_one_pod_writes_a_volume():
    for path in [None, *CI]:
        spec = one(template(*(["-f", path] if path else [])), "Deployment")["spec"]
        assert spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"}


def test_what_is_written_is_the_volume_alone_and_nobody_is_root():
    text = template()
    p, c = pod(text), container(text)
    assert p["securityContext"]["runAsNonRoot"] and p["securityContext"]["runAsUser"] > 0 and p["securityContext"]["fsGroup"] > 0
    assert p["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"} and not p["automountServiceAccountToken"]
    assert c["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert [m["mountPath"] for m in c["volumeMounts"] if not m.get("readOnly")] == ["/var/lib/moongate"]
    assert yaml.safe_load(settings(text))["log"]["path"].startswith("/var/lib/moongate/")


def test_scripts_are_mounted_so_that_a_change_arrives():
    """One projected folder without subPath, the scripts beside moongate.yaml; and no restart for them."""
    scripts = CHART + "/ci/scripts.yaml"
    text = template("-f", scripts)
    assert not any("subPath" in m for m in container(text)["volumeMounts"])
    volume = next(v for v in pod(text)["volumes"] if v["name"] == "config")
    assert [s["configMap"]["name"] for s in volume["projected"]["sources"]] == ["events-moongate", "events-moongate-scripts", "team-scripts"]
    other = template("-f", scripts, "--set-string", "scripts.failures\\.lua=return function(e) end")
    assert one(text, "Deployment") == one(other, "Deployment") and text != other
    assert one(text, "Deployment") != one(template("-f", scripts, "--set", "config.source=x"), "Deployment")


def test_ports_are_those_of_the_configuration():
    text = template("-f", CHART + "/ci/proxy.yaml")
    assert {p["name"]: p["containerPort"] for p in container(text)["ports"]} == {"grpc": 8443, "admin": 9091}
    assert {p["name"]: p["port"] for p in one(text, "Service")["spec"]["ports"]} == {"grpc": 8443, "admin": 9091}
    assert {p["name"]: p["port"] for p in one(template(), "Service")["spec"]["ports"]} == {"grpc": 8089, "http": 8088, "admin": 9090}
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container(text)[probe]["httpGet"] == {"path": path, "port": "admin"}


@pytest.mark.parametrize("stop,grace", [("25s", 35), ("500ms", 11), ("1m30s", 100), ("1h", 3610), ("0", 10)])
def test_a_stop_has_more_time_than_the_gateway_takes(stop, grace):
    assert pod(template("--set-string", f"config.shutdown_timeout={stop}"))["terminationGracePeriodSeconds"] == grace


@pytest.mark.parametrize("script", ["  -- indented\nreturn 1\n", "\n\nreturn 1\n\n", "return '\\\\'", "-- a\r\nreturn 1\r\n", "-- “é” <&> {{ .x }}\t\n", ""])
def test_a_script_arrives_as_it_is(script, tmp_path):
    text = template("-f", values(tmp_path, yaml.safe_dump({"scripts": {"a.lua": script}})))
    assert objects(text)["ConfigMap", "events-moongate-scripts"]["data"] == {"a.lua": script}


@pytest.mark.parametrize("log,size,fits", [("8GiB", "8Gi", False), ("8GiB", "8589934593", True), (8589934592, "8Gi", False), ("8GB", "8Gi", True), ("8192MiB", "8G", False),
                                           ("64MiB", "1Gi", True), ("2TiB", "1Ti", False), ("${LOG:-9GiB}", "1Gi", True), ("9GiB", "1Pi", True), ("8388607KiB", "8Gi", True)])
def test_the_log_has_room_on_its_volume(log, size, fits, tmp_path):
    made = yaml.safe_dump({"config": {"log": {"max_bytes": log}}, "persistence": {"size": size}})
    said = run(HELM, "template", "events", CHART, "-f", values(tmp_path, made), status=not fits)
    assert fits or "config.log.max_bytes" in said and size in said
    template("-f", values(tmp_path, made), "--set", "persistence.existingClaim=mine")


def test_a_pod_that_is_not_ready_is_still_asked():
    """There is one: without it clients would get no answer, and FlyteAdmin behind it no calls."""
    assert one(template(), "Service")["spec"]["publishNotReadyAddresses"] is True


@pytest.mark.parametrize("section", ["cloudEvents", "externalEvents", "cloud_events", "external_events"])
def test_a_section_of_flyteadmins_is_as_it_was(section, tmp_path):
    meant = {"enable": True, "type": "kafka", "eventsPublisher": {"topicName": "t", "eventTypes": ["all"]},
             "kafka": {"version": "3.7.0", "brokers": ["k:9092"], "saslConfig": {"enabled": True, "user": "0123", "password": "5e3 # x"}}}
    if section.startswith("external"):
        meant = {"enable": True, "type": "gcp", "gcp": {"projectId": "0123"}, "eventsPublisher": {"topicName": "flyte", "eventTypes": ["node", "task"]}}
    text = template("-f", values(tmp_path, yaml.safe_dump({section: meant})))
    assert yaml.safe_load(settings(text))[section] == meant
    assert ": pipeline " in run(BINARY, "check", "-c", lay_out(tmp_path, text))


@pytest.mark.parametrize("text,said", [
    ("config: {admin: {listen: none}}", "config.admin.listen"),
    ("config: {admin: {listen: '127.0.0.1:9090'}}", "say 0.0.0.0"),
    ("config: {ingest: {grpc: {listen: '0.0.0.0:0'}}}", "config.ingest.grpc.listen"),
    ("config: {shutdown_timeout: soon}", "config.shutdown_timeout"),
    ("cofnig: {}", "cofnig"),
    ("scripts: {'a b': x}", "a b"),
    ("persistence: {size: 5}", "size"),
])
def test_wrong_values_are_told(text, said, tmp_path):
    assert said in run(HELM, "template", "events", CHART, "-f", values(tmp_path, text), status=1)
