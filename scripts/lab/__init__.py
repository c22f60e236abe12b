"""What the commands of scripts/ share; a notebook may import it: sys.path.insert(0, ".../scripts"), from lab import results.

place        where the tree is; every other module starts from it
results      reads results of `muster run`: a folder, or one packed file
statistics   medians, intervals, tests
matrix       a sweep's points
folders      the folder that a sweep writes; shards, slurm: over several servers
calibration  of a machine, and what is published of others
guests       many NUMA nodes under QEMU; guest_checks
benchmarks   runs muster_bench and its like, and reads what they wrote
algorithms   titles and order, from the results themselves
looks        an algorithm's colour and marker
panels       what figures and tables show of groups
builds       executables of commits
gate         compares two executables; points, gate_report
honesty      how often the gate is wrong; planted, honesty_report
history      change points over many commits
measurements one side of a comparison
comparison   is one side slower than the other?
reports      a comparison as text, for people and for machines
wording      amounts and titles, as tables and figures have them
command      a process: exit codes, signals, whole files
"""
