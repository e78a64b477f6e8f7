from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credfirewall", "0004_audit_search"),
    ]

    operations = [
        migrations.AddField(
            model_name="auditstub",
            name="retention",
            field=models.PositiveIntegerField(default=0),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="auditstub",
            name="signature",
            field=models.CharField(blank=True, max_length=128),
        ),
    ]
