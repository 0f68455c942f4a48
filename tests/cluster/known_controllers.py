"""The controllers of workloads that tests run, each as its project configures it.

What is left away needs images from outside the cluster, or belongs to kinds that no test uses.
"""

from dataclasses import replace

from host_controllers import CERTIFICATES, HostController

POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "none"}]}
TEMPLATE = {"spec": {"template": {"spec": POD}}}

JOB_SET = HostController(
    name="jobset",
    namespace="jobset-system",
    secret="jobset-webhook-server-cert",
    port=9444,
    configuration={
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8281"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"port": 9444},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": True},
    },
    probe={
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {"replicatedJobs": [{"name": "w", "template": TEMPLATE}]},
    },
    # Those of pods are for exclusive placement.
    left_out=("pod.kb.io",),
)
KUEUE = HostController(
    name="kueue",
    namespace="kueue-system",
    secret="kueue-webhook-server-cert",
    port=9443,
    configuration={
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":18181"},
        "metrics": {"bindAddress": "127.0.0.1:18182"},
        "webhook": {"port": 9443, "certDir": CERTIFICATES},
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"qps": 50, "burst": 100},
        "managedJobsNamespaceSelector": {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": ["kube-system", "kueue-system", "lowtide-system"],
                }
            ]
        },
        "integrations": {"frameworks": ["batch/job"]},
    },
    probe={
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "probe",
            "namespace": "default",
            "labels": {"kueue.x-k8s.io/queue-name": "none"},
        },
        **TEMPLATE,
    },
    # The gate is alpha in this version and off by default.
    arguments=("--feature-gates=VisibilityOnDemand=false,AdmissionGatedBy=true",),
    left_out=(
        *("pod.", "deployment", "statefulset", "leaderworkerset", "jobset", "trainjob", "pytorch"),
        *("ray", "spark", "mpi", "tfjob", "xgboost", "paddle", "jaxjob", "appwrapper"),
    ),
)
KUEUE_OF_ALL_KINDS = replace(
    KUEUE,
    configuration={
        **(KUEUE.configuration or {}),
        "integrations": {
            "frameworks": [
                "batch/job",
                "jobset.x-k8s.io/jobset",
                "trainer.kubeflow.org/trainjob",
                "kubeflow.org/pytorchjob",
                "ray.io/rayjob",
            ]
        },
    },
    left_out=(
        *("pod.", "deployment", "statefulset", "leaderworkerset", "raycluster", "rayservice"),
        *("spark", "mpi", "tfjob", "xgboost", "paddle", "jaxjob", "appwrapper"),
    ),
)
"""It looks for the definitions of the other kinds at its start."""
TRAINER = HostController(
    name="trainer",
    namespace="kubeflow-system",
    secret="kubeflow-trainer-webhook-cert",
    port=9445,
    configuration={
        "apiVersion": "config.trainer.kubeflow.org/v1alpha1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8283"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"port": 9445},
        "leaderElection": {"leaderElect": False},
        "certManagement": {
            "enable": True,
            "webhookServiceName": "kubeflow-trainer-controller-manager",
            "webhookSecretName": "kubeflow-trainer-webhook-cert",
        },
        "statusServer": {"port": 10443, "qps": 5, "burst": 10},
    },
    probe={
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": "probe"},
        "spec": {
            "mlPolicy": {"numNodes": 1},
            "template": {
                "spec": {
                    "replicatedJobs": [
                        {
                            "name": "node",
                            "template": {
                                "metadata": {
                                    "labels": {
                                        "trainer.kubeflow.org/trainjob-ancestor-step": "trainer"
                                    }
                                },
                                "spec": {
                                    "template": {
                                        "spec": {"containers": [{"name": "node", "image": "none"}]}
                                    }
                                },
                            },
                        }
                    ]
                }
            },
        },
    },
    # Its overlay would fetch JobSet from elsewhere.
    folders=tuple(f"manifests/base/{part}" for part in ("crds", "manager", "rbac", "webhook")),
)
"""It makes JobSets: the controller of these must run beside it."""
TRAINING_OPERATOR = HostController(
    name="trainingoperator",
    namespace="kubeflow",
    secret="training-operator-webhook-cert",
    port=9446,
    configuration=None,
    arguments=(
        "--enable-scheme=pytorchjob",
        "--webhook-server-port=9446",
        "--metrics-bind-address=127.0.0.1:8287",
        "--health-probe-bind-address=127.0.0.1:8286",
        "--pytorch-init-container-image={image}",
        "--pytorch-init-container-template-file={config}/worker-waits.yaml",
    ),
    # As its own one, for an image that has Python and no nslookup.
    files={
        "worker-waits.yaml": """
- name: init-pytorch
  image: {{.InitContainerImage}}
  imagePullPolicy: Never
  command:
    - python3
    - -c
    - |
      import socket, sys, time
      for _ in range({{.MaxTries}}):
          try:
              socket.getaddrinfo("{{.MasterAddr}}", None)
              sys.exit()
          except OSError:
              time.sleep(0.5)
      sys.exit(1)
"""
    },
    probe={
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {
            "pytorchReplicaSpecs": {
                "Master": {
                    "replicas": 1,
                    "template": {"spec": {"containers": [{"name": "pytorch", "image": "none"}]}},
                }
            }
        },
    },
    folders=("manifests/overlays/standalone",),
    definitions=("pytorchjobs.",),
    left_out=("mpijob", "tfjob", "xgboostjob", "paddlejob", "jaxjob"),
)
RAY = HostController(
    name="rayoperator",
    namespace="",
    secret="",
    port=0,
    configuration=None,
    arguments=(
        "--metrics-addr=127.0.0.1:8289",
        "--health-probe-bind-address=127.0.0.1:8288",
        "--enable-leader-election=false",
        # Its pods' dashboard is behind the API server for a process of the host.
        "--use-kubernetes-proxy=true",
    ),
    # The heads of the tests are stand-ins, which have no program `ray` to probe with.
    environment={
        "ENABLE_PROBES_INJECTION": "false",
        "ENABLE_INIT_CONTAINER_INJECTION": "false",
    },
    probe=None,
    folders=("config/crd/bases",),
    definitions=("rayclusters.", "rayjobs.", "rayservices."),
)
