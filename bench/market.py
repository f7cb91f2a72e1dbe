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
        simulator.host = f"127.0.0.1:{port}"
        return simulator

    def declare(self, spec):
        """Writes the configurations of a Pipeline with this spec, which reads from the simulator, and makes its topics."""
        host = self.simulator.host
        account = {"provider": self.provider, "limits": {}, "endpoint": f"http://{host}", **PROVIDERS[self.provider]}
        # No role that is run here reads or writes it.
        lake = {"uri": "s3://bench/lake", "endpoint": "http://127.0.0.1:1", "secretName": "s3"}
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
        for topic in ("bars", "quarantine"):
            servers.topic(self.kafka, f"{NAMESPACE}.{PIPELINE}.{topic}")

    def serve(self, serving):
        """Says which versions the predictors load."""
        data = {"serving.json": json.dumps(serving)}
        name = f"{PIPELINE}-serving"
        self.api.objects.put("configmaps", name, {"apiVersion": "v1", "kind": "ConfigMap", "data": data})

    def role(self, name):
        """Starts a role of the worker."""
        command = [self.programs / "foresail-worker", name, "--config", self.folder / f"{name}.json"]
        told = {"KUBECONFIG": str(self.api.kubeconfig), "FORESAIL_SECRETS_DIR": str(self.folder / "secrets")}
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
