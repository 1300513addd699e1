from setuptools import find_packages, setup

NAME = "sac_learner"

setup(
    name=NAME,
    version="0.1.0",
    description="Asynchronous soft actor-critic from pixels: actor and learner nodes",
    maintainer="ur5rl maintainers",
    maintainer_email="maintainers@ur5rl.invalid",
    license="Apache-2.0",
    packages=find_packages(exclude=["test"]),
    package_data={f"{NAME}.core": ["*.c"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
    ],
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    entry_points={
        "console_scripts": [
            "actor_node = sac_learner.nodes.actor_node:main",
            "learner_node = sac_learner.nodes.learner_node:main",
        ]
    },
)
