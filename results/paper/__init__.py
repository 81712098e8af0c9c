"""The paper's Table 1 and figures, with ours beside: published values, layout, plots. Pure but for reading
the published values, which come with the package (`table1.csv`, 112 numbers quoted from Table 1 of
"Distilling Empathy from Large Language Models")."""
