"""The keys below ``hydra.launcher``: how the stacks of a sweep are trained. Hydra's plugin is derived from these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gatelab.keys.key import Key

__all__ = ["LauncherKeys", "RayKeys", "SubmititKeys"]


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class SubmititKeys(_Options):
    """Options of submitit."""

    cluster: Annotated[
        Literal["slurm", "local", "debug"] | None, Key("slurm, local or debug; null for slurm if available, else local")
    ] = None
    timeout_min: Annotated[
        float | None, Key("minutes that a job may take; null for what the partition allows, at most a day")
    ] = Field(default=None, gt=0)
    cpus_per_task: Annotated[int, Key("cores of a job")] = Field(default=1, ge=1)
    gpus_per_node: Annotated[int, Key("GPUs of a job")] = Field(default=0, ge=0)
    mem_gb: Annotated[float | None, Key("memory of a job in GB; null for the cluster's default")] = Field(
        default=None, gt=0
    )
    slurm_partition: Annotated[str | None, Key("the partition of the cluster")] = None
    slurm_account: Annotated[str | None, Key("the account that is charged")] = None
    parameters: Annotated[
        dict[str, Any], Key("any other parameter of submitit's AutoExecutor: +hydra.launcher.submitit.parameters.NAME",
                            in_files=False)
    ] = Field(default_factory=dict)  # fmt: skip


class RayKeys(_Options):
    """The Ray cluster, and the resources of a stack in it."""

    address: Annotated[str | None, Key("address of the cluster; null for one on this machine", in_files=False)] = None
    num_cpus: Annotated[float, Key("cores of a stack")] = Field(default=1, gt=0)
    num_gpus: Annotated[float, Key("GPUs of a stack")] = Field(default=0, ge=0)


class LauncherKeys(_Options):
    """How the stacks are trained, how many at once, and when one is given up."""

    executor: Annotated[
        Literal["inline", "processes", "submitit", "ray"], Key("inline, processes, submitit or ray")
    ] = "processes"
    detach: Annotated[
        bool,
        Key("hand the stacks to a cluster and return; without it the same command waits for them and collects",
            in_files=False),
    ] = False  # fmt: skip
    workers: Annotated[
        int | None,
        Key("stacks trained at once; null for one per GPU, or per as many cores as threads"),
    ] = Field(default=None, ge=1)
    limit_minutes: Annotated[float | None, Key("most minutes that one stack may take, from its start")] = Field(
        default=None, gt=0
    )
    silent_minutes: Annotated[
        float | None, Key("most minutes that one stack may go without a step; only for executor=processes")
    ] = Field(default=30.0, gt=0)
    retries: Annotated[int, Key("how often a run that failed alone is tried again in this launch")] = Field(
        default=0, ge=0
    )
    most_points: Annotated[int, Key("a sweep of more points is refused before composition")] = Field(
        default=100_000, ge=1
    )
    submitit: Annotated[SubmititKeys, Key("for executor=submitit")] = SubmititKeys()
    ray: Annotated[RayKeys, Key("for executor=ray")] = RayKeys()
