#!/bin/sh
# The sixteen parts of a study as a Slurm job array: sbatch slurm.sh study.yaml
#SBATCH --job-name=study
#SBATCH --array=1-16
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --requeue
exec wavetank bench placement "$1" --jobs "$SLURM_CPUS_PER_TASK" \
  --shard "$SLURM_ARRAY_TASK_ID/16" --out "part-$SLURM_ARRAY_TASK_ID"
