"""A simulated market, an account with it, and the roles of a Pipeline that reads it."""

import datetime
import json
import subprocess
import urllib.request

import kubernetes
import servers

NAMESPACE, PIPELINE, ACCOUNT = "bench", "market", "simulated"
# Where a role answers probes and shows its metrics (crds/src/role.rs).
ADMIN = 8081
PROVIDERS = {"Yahoo": {}, "AlphaVantage": {"secretName": "key"}}


class Market:
    """Servers, the simulator and the configurations of one Pipeline in a folder of its own."""

    def __init__(self, options, name, provider, scenario):
        self.folder, self.programs, self.provider = options.folder / name, options.programs, provider
        self.examples, self.running = options.examples, []
        # No role that is run reads or writes it, unless there is one.
        self.lake = "http://127.0.0.1:1"
        key = self.folder / "secrets/provider/apiKey"
        key.parent.mkdir(parents=True)
        key.write_text("BENCHKEY00000001")
        self.api = kubernetes.started(self.folder)
        self.kafka = self.keep(servers.kafka(self.folder))
        self.simulator = self.simulate(scenario)

    def keep(self, process):
        self.running.append(process)
        return process

    def simulate(self, scenario):
        file, port = self.folder / "scenario.yaml", servers.free_port()
        file.write_text(json.dumps(scenario))
        command = [self.programs / "foresail-worker", "simulate", "--scenario", file, "--bind", f"127.0.0.1:{port}"]
        simulator = self.keep(servers.Process(self.folder, "simulate", command))
        simulator.listens(port)
        # Whom ingest asks.
        self.asked = f"127.0.0.1:{port}"
        return simulator

    def keep_a_lake(self):
        """Starts an S3 server for the lake."""
        server = self.keep(servers.s3(self.folder))
        folder = self.folder / "secrets/lake"
        folder.mkdir()
        for name, key in servers.S3_KEYS.items():
            (folder / name).write_text(key)
        self.lake = server.endpoint

    def declare(self, spec):
        """Writes the configurations of a Pipeline with this spec, which reads from the simulator, and makes its topics."""
        host = self.asked
        account = {"provider": self.provider, "limits": {}, "endpoint": f"http://{host}", **PROVIDERS[self.provider]}
        lake = {"uri": f"s3://{servers.BUCKET}/lake", "endpoint": self.lake, "secretName": "s3"}
        spec = {**spec, "kafka": {"bootstrapServers": self.kafka.address, "partitions": 1}, "lake": lake}
        spec["source"] = {**spec["source"], "provider": {"account": ACCOUNT, **spec["source"]["provider"]}}
        wanted = {
            "pipeline": {"namespace": NAMESPACE, "name": PIPELINE},
            "spec": spec,
            "account": account,
            "hosts": [host],
        }
        program = self.examples / "foresail-bench-configs"
        subprocess.run([program, self.folder], input=json.dumps(wanted), text=True, check=True)
        group = {"apiVersion": "foresail.dev/v1alpha1"}
        self.api.objects.put("provideraccounts", ACCOUNT, {**group, "kind": "ProviderAccount", "spec": account})
        self.api.objects.put("pipelines", PIPELINE, {**group, "kind": "Pipeline", "spec": spec})
        self.serve({})

    def make_topics(self):
        """Makes those that ingest writes."""
        for topic in ("bars", "quarantine"):
            servers.topic(self.kafka, f"{NAMESPACE}.{PIPELINE}.{topic}")

    def prepare(self):
        """Makes all topics, as the operator has it done."""
        self.role("prepare", servers.free_port()).ends()

    def serve(self, serving):
        """Says which versions the predictors load."""
        data = {"serving.json": json.dumps(serving)}
        name = f"{PIPELINE}-serving"
        self.api.objects.put("configmaps", name, {"apiVersion": "v1", "kind": "ConfigMap", "data": data})

    def role(self, name, admin=ADMIN):
        """Starts a role of the worker, which shows its metrics at this port."""
        command = [self.programs / "foresail-worker", name, "--config", self.folder / f"{name}.json"]
        return self.run(name, command, admin)

    def run(self, name, command, admin=ADMIN):
        """Starts a program as in a pod."""
        told = {"KUBECONFIG": self.api.kubeconfig, "FORESAIL_SECRETS_DIR": self.folder / "secrets"}
        told = {**told, "FORESAIL_ADMIN_ADDRESS": f"0.0.0.0:{admin}"}
        told = {variable: str(value) for variable, value in told.items()}
        return self.keep(servers.Process(self.folder, name, command, told))

    def status(self, role):
        """What a role said of itself last."""
        return self.api.objects.status("pipelines", PIPELINE).get(role, {})

    def stop(self):
        for process in reversed(self.running):
            process.stop()
        self.api.is_over = True
        self.api.shutdown()


def today():
    return datetime.datetime.now(datetime.timezone.utc)


def scenario(symbols, start, **fields):
    """A market whose clock is that of this machine."""
    clock = today().strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"seed": 7, "start": str(start), "clock": clock, "symbols": symbols, **fields}


def got(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return answer.read()
